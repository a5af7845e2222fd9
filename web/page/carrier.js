// A worker that a run borrows: it opens a device, takes a scene and jobs, and leaves tallies (`workers.js`).
// @ts-check
import init, * as engine from "./engine/lutra_web.js";
import { bins, failed, sign, tell } from "./workers.js";

const gpu = /** @type {any} */ (navigator).gpu;
/** @type {engine.Carrier} */
let carrier;

/** Whose card it is, in the browser's words. */
async function maker() {
  const { vendor, architecture } = (await gpu.requestAdapter({ powerPreference: "high-performance" }))?.info ?? {};
  return [vendor, architecture].filter(Boolean).join(" ");
}

/** An answer with the maker as driver. @param {string} text */
async function signed(text) {
  const told = JSON.parse(text);
  if (told.Ok) told.Ok[0].driver ||= await maker();
  return JSON.stringify(told);
}

/** Where the question of the moment is answered. @type {SharedArrayBuffer | null} */
let asked = null;
/** Questions so far. */
let questions = 0;
/** Why this worker answers nothing more. */
let broken = "";
/** Why a device is lost. */
let lost = "";

/** A card that hands something over works; one that is lost says why. */
function signs() {
  const { prototype } = /** @type {any} */ (globalThis).GPUBuffer;
  const { mapAsync } = prototype;
  prototype.mapAsync = async function (...words) {
    await mapAsync.apply(this, words);
    if (asked) sign(asked);
  };
  const adapters = /** @type {any} */ (globalThis).GPUAdapter.prototype;
  const { requestDevice } = adapters;
  adapters.requestDevice = async function (...words) {
    const device = await requestDevice.apply(this, words);
    lost = "";
    device.lost.then(({ message }) => (lost = ["the device was lost", message].filter(Boolean).join(": ")));
    return device;
  };
}
if (gpu) signs();

const answers = {
  adapters: () => (gpu ? carrier.adapters() : JSON.stringify({ Ok: [] })),
  lacking: () => JSON.stringify({ Ok: gpu ? "this browser shows no graphics card" : "no WebGPU in this browser" }),
  open_card: async ([number]) => (gpu ? signed(await carrier.open_card(number)) : JSON.stringify({ Err: { Missing: { found: "no WebGPU in this browser", next: "use cpu" } } })),
  load: (parts) => carrier.load(parts.slice(0, 8), parts[8]),
  run: (jobs) => carrier.run(jobs),
  carry: ([job, next, part]) => carrier.carry(job, part, () => Atomics.add(next, 0, part)),
};

/** An answer; of a device that has failed because it was lost, with that. @param {string} text */
async function explained(text) {
  const told = JSON.parse(text);
  if (!told.Err?.Device) return text;
  // the word of it comes behind the failure
  await new Promise((resolve) => setTimeout(resolve, 50));
  if (lost) told.Err.Device.message = `${lost} (${told.Err.Device.message})`;
  return JSON.stringify(told);
}

/** Answers the question of the moment, once. @param {string} text */
function reply(text) {
  if (asked) tell(asked, text);
  asked = null;
}

async function answered({ ask, parts, answer, module }) {
  const own = ++questions;
  asked = answer;
  if (broken) return reply(failed("worker", broken));
  try {
    if (module) {
      await init({ module_or_path: module });
      carrier = new engine.Carrier();
    }
    const text = await explained(await answers[ask](parts));
    if (own !== questions || !asked) return;
    if (ask === "run" || ask === "carry") carrier.hand_out(bins(answer));
    reply(text);
  } catch (error) {
    if (own === questions) reply(failed("worker", String(error?.message ?? error)));
  }
}

// a fault of the engine while it waits for the card ends no promise: it comes here
for (const [kind, of] of [["error", ({ error, message }) => error?.message ?? message], ["unhandledrejection", ({ reason }) => reason?.message ?? reason]]) {
  self.addEventListener(kind, (event) => {
    if (!asked) return;
    event.preventDefault();
    broken = String(of(event));
    reply(failed("worker", broken));
  });
}

self.addEventListener("message", ({ ports: [port] }) => {
  // one after the other
  let last = Promise.resolve();
  // after a fault the one before may never end
  port.onmessage = ({ data }) => (last = asked ? last.then(() => answered(data)) : answered(data));
});
