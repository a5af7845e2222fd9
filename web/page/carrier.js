// A worker that a run borrows: it opens a device, takes a scene and jobs, and leaves tallies (`workers.js`).
// @ts-check
import init, * as engine from "./engine/lutra_web.js";
import { bins, tell } from "./workers.js";

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

const failed = (message) => JSON.stringify({ Err: { Device: { device: "worker", message } } });

const answers = {
  adapters: () => (gpu ? carrier.adapters() : JSON.stringify({ Ok: [] })),
  lacking: () => JSON.stringify({ Ok: gpu ? "this browser shows no graphics card" : "no WebGPU in this browser" }),
  open_card: async ([number]) => (gpu ? signed(await carrier.open_card(number)) : JSON.stringify({ Err: { Missing: { found: "no WebGPU in this browser", next: "use cpu" } } })),
  load: (parts) => carrier.load(parts.slice(0, 8), parts[8]),
  run: (jobs) => carrier.run(jobs),
  carry: ([job, next, part]) => carrier.carry(job, part, () => Atomics.add(next, 0, part)),
};

async function answered({ ask, parts, answer, module }) {
  try {
    if (module) {
      await init({ module_or_path: module });
      carrier = new engine.Carrier();
    }
    const text = await answers[ask](parts);
    if (ask === "run" || ask === "carry") carrier.hand_out(bins(answer));
    tell(answer, text);
  } catch (error) {
    tell(answer, failed(String(error?.message ?? error)));
  }
}

self.addEventListener("message", ({ ports: [port] }) => {
  // one after the other
  let last = Promise.resolve();
  port.onmessage = ({ data }) => (last = last.then(() => answered(data)));
});
