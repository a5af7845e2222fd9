// Cards that the page is lent: sound ones, none, and broken ones. A broken card is refused in plain words where it was asked for by name,
// and left for the processor where it was not, with the same hash.
import { again, answered, browser, expect, facts, fill, hash, text } from "./browser.mjs";

/** A card that does not say that it is software. */
const CHIP = 'Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });';
/** A worker of a browser without WebGPU. */
const WITHOUT = 'Object.defineProperty(WorkerNavigator.prototype, "gpu", { value: undefined });';
/** Such a card, on which a text of the shaders means another; of all but the probe where it is to pass that. */
const meant = (from, to, probe) => `${CHIP}
const made = GPUDevice.prototype.createShaderModule;
GPUDevice.prototype.createShaderModule = function (asked) {
  const code = ${probe} || !asked.code.includes("fn probe(") ? asked.code.replaceAll(${JSON.stringify(from)}, ${JSON.stringify(to)}) : asked.code;
  return made.call(this, { ...asked, code });
};`;
/** A card on which something happens at the n-th submission of a device that carries histories. */
const later = (n, what) => `${CHIP}
const submit = GPUQueue.prototype.submit;
const devices = new Map();
const request = GPUAdapter.prototype.requestDevice;
GPUAdapter.prototype.requestDevice = async function (asked) {
  const device = await request.call(this, asked);
  devices.set(device.queue, { device, submitted: 0 });
  return device;
};
GPUQueue.prototype.submit = function (commands) {
  const one = devices.get(this);
  submit.call(this, commands);
  if (one && (one.submitted += 1) === ${n}) { const { device } = one; ${what} }
};`;

/** What is planted; what the page says of it when the card is asked for by name, and when the card is left where that is other words; how
 * many seconds the page waits. @type {Record<string, { script: string, says: string, left?: string, patience?: number }>} */
const PLANTED = {
  "joins what the kernel keeps apart": { script: meant("^ params.zero", "^ (params.zero + 1u)", true), says: "does not compute as the kernel needs it" },
  "passes the probe and tallies beside": { script: meant("tally_add(index, v);", "tally_add(index ^ 1u, v);", false), says: "bins of the tally differ from the processor's" },
  "is not there": { script: "GPU.prototype.requestAdapter = async () => null;", says: "no usable adapter", left: "this browser shows no graphics card" },
  "is not shown": { script: WITHOUT, says: "no WebGPU in this browser" },
  "is never shown": { script: "GPU.prototype.requestAdapter = () => new Promise(() => {});", says: "gave no sign for 2 s", patience: 2 },
  "gives no device": { script: `${CHIP} GPUAdapter.prototype.requestDevice = async () => { throw new DOMException("planted", "OperationError"); };`, says: "planted" },
  "compiles nothing": { script: meant("fn sink_emitted", "fn sink_emitted nonsense", false), says: "nonsense" },
  "is lost in the middle": { script: later(12, "device.destroy();"), says: "the device was lost" },
  "hands nothing over any more": { script: later(12, "GPUBuffer.prototype.mapAsync = () => new Promise(() => {});"), says: "gave no sign for 3 s", patience: 3 },
  "throws in the middle": { script: later(12, 'GPUDevice.prototype.createBindGroup = () => { throw new Error("planted"); };'), says: "planted" },
};

/** A page whose worker with the card begins with this script, and that waits so many seconds. */
async function planted(address, script, patience = 60) {
  const context = await browser.newContext({ serviceWorkers: "block" });
  const route = (name, change) => context.route(`**/${name}`, async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: change(await response.text()) });
  });
  await route("carrier.js", (body) => `${script}\n${body}`);
  await route("workers.js", (body) => body.replace("adapters: 20_000, run: 60_000", `adapters: ${1000 * patience}, run: ${1000 * patience}`));
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(address);
  await page.locator("#practice").click();
  await page.locator("#found table").waitFor();
  await fill(page, { histories: "1000" });
  return page;
}

/** Asks for a run on this engine: what is said, the hash, and after how long. */
async function ran(page, engine) {
  const began = Date.now();
  await page.evaluate(() => delete document.getElementById("made").dataset.hash);
  await fill(page, { engine });
  await page.locator("#start").click();
  await answered(page);
  const refused = await page.locator("#refusal").isVisible();
  const said = await text(page, "#notes", "#facts", ...(refused ? ["#refusal"] : []));
  return { said, hash: refused ? null : await hash(page), seconds: (Date.now() - began) / 1000 };
}

/** The same request on every planted card. */
export async function lent(address) {
  const page = await planted(address, CHIP);
  const sound = await ran(page, "");
  expect(sound.said.toLowerCase().includes("graphics card"), `a sound card is not taken by itself: ${sound.said}`);
  const cpu = await again(page, { engine: "cpu" });
  expect(cpu === sound.hash, `the card's hash is ${sound.hash}, the processor's ${cpu}`);
  facts.lent = { sound: sound.seconds };
  await page.context().close();
  for (const [what, plant] of Object.entries(PLANTED)) await broken(address, what, plant, sound.hash);
  await compared(address);
}

/** A card that is broken, asked for by name and not. */
async function broken(address, what, { script, says, left = says, patience }, known) {
  const page = await planted(address, script, patience);
  const named = await ran(page, "gpu");
  expect(named.hash === null, `a card that ${what} has carried a run`);
  expect(named.said.includes(says) && /\b(use|with) (engine )?cpu\b/.test(named.said), `a card that ${what} is refused as: ${named.said}`);
  expect(named.seconds < 30, `a card that ${what} is refused after ${named.seconds} s`);
  const taken = await ran(page, "");
  expect(taken.hash === known, `beside a card that ${what} the hash is ${taken.hash}, the sound card's ${known}`);
  expect(taken.said.includes("Processor") && taken.said.includes(left), `of a card that ${what} and is left it is said: ${taken.said}`);
  facts.lent[what] = [named.seconds, taken.seconds];
  await page.context().close();
}

/** The comparison with a card that passes the probe and counts beside: it differs in words. */
async function compared(address) {
  const page = await planted(address, PLANTED["passes the probe and tallies beside"].script);
  await page.locator("#compare").click();
  await page.locator("#compared table").waitFor();
  const found = await text(page, "#compared");
  expect((await page.locator("#compared").getAttribute("data-agrees")) === "false", `a card that tallies beside agrees: ${found}`);
  expect(found.includes("bins of the tally differ"), `the comparison says of a card that tallies beside: ${found}`);
  await page.context().close();
}
