// The page in headless Chromium, as a person uses it: files chosen, form filled, run, cancelled, reloaded, refused; and nothing
// asked of any other place.
//
//   node page.mjs ADDRESS STUDY HASH RTDOSE [--photos FOLDER]
//
// ADDRESS: of `lutra serve`; STUDY: the folder of the practice patient; HASH: the tally hash of the command line for the
// request below; RTDOSE: the SHA-256 of its RT Dose without its dates (dicom.mjs). Prints one line of JSON: findings, empty when
// all is well. Exit code 0: none; 1: findings; 3: no browser here.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { undated } from "./dicom.mjs";

const require = createRequire(join(process.env.LUTRA_BROWSER_PACKAGES ?? ".", "package.json"));
function missing(what) {
  console.log(JSON.stringify({ skipped: what }));
  process.exit(3);
}
let chromium;
let axe;
try {
  ({ chromium } = require("playwright-core"));
  axe = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
} catch (error) {
  missing(`the packages of tests/browser are not installed (npm ci there): ${error.code}`);
}
const places = [process.env.LUTRA_BROWSER, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = places.find((place) => place && existsSync(place));
if (!executablePath) missing("no Chromium found (apt-get install chromium, or set LUTRA_BROWSER)");

const [address, study, hash, rtdose, , photos] = process.argv.slice(2);
if (photos) mkdirSync(photos, { recursive: true });
const findings = [];
const facts = {};
const expect = (holds, sentence) => holds || findings.push(sentence);
const browser = await chromium.launch({ executablePath, args: [
    // WebGPU without a graphics card: SwiftShader, which comes with Chromium
    "--no-sandbox", "--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan",
  ],
});

/** A page that tells of every error, and of every request to another place. */
async function opened(options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 720 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(100_000);
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) findings.push(`console ${message.type()}: ${message.text()}`);
  });
  page.on("pageerror", (error) => findings.push(`script error: ${error.message}`));
  context.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !/^(data|blob|about):/.test(url)) findings.push(`request to another place: ${url}`);
  });
  await page.goto(address);
  return page;
}

/** What a run says and leaves whose worker begins with this script: another browser, or a card that is broken. */
async function planted(script, engine) {
  const context = await browser.newContext({ serviceWorkers: "block" });
  await context.route("**/carrier.js", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: `${script}\n${await response.text()}` });
  });
  const page = await context.newPage();
  page.setDefaultTimeout(100_000);
  await page.goto(address);
  await page.locator("#practice").click();
  await page.locator("#found table").waitFor();
  await fill(page, { engine, histories: "1000" });
  await page.locator("#start").click();
  await page.locator("#made[data-hash], #refusal:not([hidden])").first().waitFor();
  const texts = await Promise.all(["#notes", "#facts", "#refusal"].map((id) => page.locator(id).innerText()));
  const found = { said: texts.join(" "), hash: await page.locator("#made").getAttribute("data-hash") };
  await context.close();
  return found;
}

/** A worker of a browser without WebGPU. */
const WITHOUT = 'Object.defineProperty(WorkerNavigator.prototype, "gpu", { value: undefined });';
/** A card that does not say that it is software. */
const CHIP = 'Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });';
/** Such a card, on which a text of the shaders means another. */
const broken = (from, to) => `${CHIP}
const made = GPUDevice.prototype.createShaderModule;
GPUDevice.prototype.createShaderModule = function (asked) {
  return made.call(this, { ...asked, code: asked.code.replaceAll(${JSON.stringify(from)}, ${JSON.stringify(to)}) });
};`;

/** Which device carries a run, and that the probe rings: a sound card, no WebGPU, a card that fails the probe. */
async function alarms() {
  const sound = await planted(CHIP, "");
  expect(sound.said.toLowerCase().includes("graphics card"), `a sound card is not taken by itself: ${sound.said}`);
  const none = await planted(WITHOUT, "");
  expect(none.said.includes("no WebGPU in this browser"), `without WebGPU the page says: ${none.said}`);
  expect(none.hash === sound.hash, `the card's hash is ${sound.hash}, the processor's ${none.hash}`);
  const joined = broken("^ params.zero", "^ (params.zero + 1u)");
  const unfit = await planted(joined, "");
  const refusal = "does not compute as the kernel needs it";
  expect(unfit.said.includes(refusal) && unfit.said.includes("running on the CPU"), `a card that fails the probe: ${unfit.said}`);
  expect(unfit.hash === sound.hash, "with a card that fails the probe the hash is another");
  facts.alarms = [sound, none, unfit].map(({ said }) => said.replaceAll(/\s+/g, " "));
}

const state = (page) => page.locator("#state").innerText();
const settled = (page) => page.locator("#cancel").waitFor({ state: "hidden" });
const fill = async (page, values) => {
  for (const [name, value] of Object.entries(values)) {
    const input = page.locator(`#field-${name}`);
    if (typeof value === "boolean") await input.setChecked(value);
    else if (await input.evaluate((element) => element.tagName === "SELECT")) await input.selectOption(value);
    else await input.fill(value);
  }
};
const photo = async (page, name) => {
  if (photos) await page.screenshot({ path: join(photos, `${name}.png`), fullPage: name.endsWith("-all") });
};
async function accessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { iframes: false }));
  for (const { id, impact, nodes } of violations.filter(({ impact }) => ["serious", "critical"].includes(impact))) {
    findings.push(`${what}: accessibility: ${id} (${impact}): ${nodes[0].html.slice(0, 160)}`);
  }
}

try {
  const page = await opened();
  expect((await page.title()) === "Lutra in the browser", "no title");
  await photo(page, "opened");
  await accessible(page, "opened");

  // a refusal before any file
  await page.locator("#start").click();
  await page.locator("#refusal").waitFor();
  expect((await page.locator("#refusal").innerText()).includes("ct: found none"), "an empty form is not refused by its field");

  // the study: chosen as a folder, looked at, asked, run
  await page.locator("#folder").setInputFiles(study);
  await page.locator("#found table").waitFor();
  expect((await page.locator("#field-ct").inputValue()) === "ct.nii.gz", "the CT that was found is not put into the form");
  await photo(page, "study");
  await fill(page, { activity: "tia.nii.gz", administered_mbq: "7400", grid: "6", histories: "20000", dicom: true });
  await page.locator("#start").click();
  await page.locator("#refusal").waitFor();
  const unit = await page.locator("#refusal").innerText();
  expect(unit.includes("activity_unit") && unit.includes("bq_ml_h"), `a missing unit is refused as: ${unit}`);
  expect((await page.locator("#field-activity_unit").getAttribute("aria-invalid")) === "true", "the field is not marked");
  await photo(page, "refused");
  await fill(page, { activity_unit: "bq_ml_h" });
  await page.locator("#start").click();
  await page.locator("#made").waitFor();
  facts.state = await state(page);
  facts.hash = await page.locator("#made").getAttribute("data-hash");
  expect(facts.hash === hash, `the tally hash is ${facts.hash}, the command line's ${hash}`);
  const names = await page.locator("#downloads a").allInnerTexts();
  for (const name of ["lutra-dose.zip", "dose_gy.nii.gz", "dose_gy.dcm", "labels.dcm", "organs.csv", "run.json", "report.html"]) {
    expect(names.includes(name), `${name} is not among the downloads: ${names.join(" ")}`);
  }
  const [zip] = await Promise.all([page.waitForEvent("download"), page.locator("#downloads a").first().click()]);
  const archive = readFileSync(await zip.path());
  expect(archive.readUInt32LE(0) === 0x04034b50, "the zip is none");
  const [taken] = await Promise.all([page.waitForEvent("download"), page.locator("#downloads a", { hasText: "dose_gy.dcm" }).click()]);
  facts.rtdose = createHash("sha256").update(undated(readFileSync(await taken.path()))).digest("hex");
  expect(facts.rtdose === rtdose, `the RT Dose differs from the command line's`);
  facts.device = await page.locator("#facts").innerText();
  expect(facts.device.includes("Processor"), `a software adapter was taken by itself: ${facts.device}`);
  const said = await page.locator("#notes").innerText();
  expect(said.includes("which auto does not take"), `the page does not say why the processor was used: ${said}`);

  // the same on the graphics card, by WebGPU
  const again = async (on, values) => {
    await on.evaluate(() => delete document.getElementById("made").dataset.hash);
    await fill(on, values);
    await on.locator("#start").click();
    await on.locator("#made[data-hash], #refusal:not([hidden])").first().waitFor();
    return on.locator("#made").getAttribute("data-hash");
  };
  facts.gpu_hash = await again(page, { engine: "gpu" });
  facts.gpu = [await page.locator("#facts").innerText(), await state(page)];
  expect(facts.gpu[0].toLowerCase().includes("graphics card"), `no graphics card carried the run: ${facts.gpu[0]}`);
  expect(facts.gpu_hash === hash, `on the graphics card the tally hash is ${facts.gpu_hash}, the command line's ${hash}`);
  const [carried] = await Promise.all([page.waitForEvent("download"), page.locator("#downloads a", { hasText: "dose_gy.dcm" }).click()]);
  const by_card = createHash("sha256").update(undated(readFileSync(await carried.path()))).digest("hex");
  expect(by_card === rtdose, "the RT Dose of the graphics card differs from the command line's");
  await fill(page, { engine: "" });
  const report = page.frameLocator("#report");
  await report.locator("section#summary").waitFor();
  expect(await report.locator("svg.chart").count(), "the report shows no histogram");
  expect(await report.locator("canvas").count(), "the report shows no slices");
  await page.locator("#report").scrollIntoViewIfNeeded();
  await page.waitForTimeout(500);
  await photo(page, "report");
  await page.locator("#result-head").scrollIntoViewIfNeeded();
  await photo(page, "result");
  await photo(page, "result-all");
  await accessible(page, "result");
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(wide <= 1, `the page is ${wide} px wider than the window`);

  // cancelled in the middle, and asked again
  await fill(page, { histories: "5000000" });
  await page.locator("#start").click();
  await page.locator("#state", { hasText: /: \d+ %/ }).waitFor();
  await page.locator("#cancel").click();
  await settled(page);
  expect((await state(page)).startsWith("Cancelled"), `a cancelled run says: ${await state(page)}`);

  // closed in the middle
  await page.locator("#start").click();
  await page.locator("#state", { hasText: /: \d+ %/ }).waitFor();
  page.on("dialog", (dialog) => dialog.accept());
  await page.reload();
  await page.locator("#lost").waitFor();
  expect((await page.locator("#lost").innerText()).includes("That run is lost"), "a page closed in the middle does not say so");

  // hostile files: refused in words, and the page still answers
  await page.locator("#single").setInputFiles([
    { name: "ct.nii", mimeType: "application/octet-stream", buffer: Buffer.alloc(352, 0xff) },
    { name: "a.dcm", mimeType: "application/dicom", buffer: Buffer.concat([Buffer.alloc(128), Buffer.from("DICM"), Buffer.alloc(4096, 0xee)]) },
    { name: "SERIES.toml", mimeType: "text/plain", buffer: Buffer.alloc(1 << 20, "[") },
  ]);
  await page.locator("#found table, #found .refusal").first().waitFor();
  await page.locator("input[value=tia]").check();
  await fill(page, { series: "SERIES.toml" });
  const clock = Date.now();
  await page.locator("#start").click();
  await page.locator("#refusal").waitFor();
  facts.hostile_ms = Date.now() - clock;
  expect((await page.locator("#refusal").innerText()).includes("SERIES.toml"), "a hostile file is not named");

  // the demo and the comparison, in the dark and on a tablet
  const dark = await opened({ colorScheme: "dark" });
  await dark.locator("#compare").click();
  await dark.locator("#compared table").waitFor();
  expect((await dark.locator("#compared").getAttribute("data-agrees")) === "true", `parity: ${await dark.locator("#compared").innerText()}`);
  facts.parity = (await dark.locator("#compared table").innerText()).replaceAll(/\s+/g, " ");
  const compared = await dark.locator("#compared").innerText();
  expect(compared.includes("computes as the kernel needs it"), `the probe of the graphics card: ${compared}`);
  expect(facts.parity.includes("webgpu"), `the comparison has no run on the graphics card: ${facts.parity}`);
  await photo(dark, "dark");
  await accessible(dark, "dark");
  const tablet = await opened({ viewport: { width: 820, height: 1180 }, hasTouch: true });
  await tablet.locator("#practice").click();
  await tablet.locator("#found table").waitFor();
  expect((await tablet.locator("#field-activity_unit").inputValue()) === "bq_ml_h", "the practice patient does not fill the form");
  const over = await tablet.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  expect(over <= 1, `on a tablet the page is ${over} px wider than the window`);
  await photo(tablet, "tablet-all");
  await accessible(tablet, "tablet");

  await alarms();

  // without its server
  await tablet.waitForFunction(() => navigator.serviceWorker.ready.then(() => caches.keys()).then((kept) => kept.length > 0));
  await tablet.context().setOffline(true);
  await tablet.reload();
  await tablet.locator("#practice").click();
  await tablet.locator("#found table").waitFor();

  // the policy itself: what the page must not do it cannot do
  const held = await page.evaluate(async () => {
    const refused = [];
    const tell = (event) => refused.push(event.effectiveDirective);
    document.addEventListener("securitypolicyviolation", tell);
    await fetch("http://127.0.0.2:9/leak").catch(() => {});
    const image = new Image();
    image.src = "http://127.0.0.2:9/leak.png";
    await new Promise((resolve) => setTimeout(resolve, 300));
    return refused;
  });
  expect(held.includes("connect-src") && held.includes("img-src"), `the policy let something through: ${held.join(" ")}`);
  const meant = /127\.0\.0\.2:9/;
  for (let n = findings.length - 1; n >= 0; n -= 1) {
    if (meant.test(findings[n])) findings.splice(n, 1);
  }
} catch (error) {
  findings.push(`stopped: ${error.message}`);
}
await browser.close();
console.log(JSON.stringify({ findings, facts }));
process.exit(findings.length ? 1 : 0);
