// The engine beside the page. It blocks while it computes; the page ends a run by ending this worker.
// @ts-check
import init, * as engine from "./engine/lutra_web.js";
import { Workers } from "./workers.js";

/** The files of the page, once it has handed them over. @type {engine.Files} */
let files;
/** The compiled module. @type {WebAssembly.Module} */
let module;
const ready = WebAssembly.compileStreaming(fetch(new URL("engine/lutra_web_bg.wasm", import.meta.url))).then(async (compiled) => {
  module = compiled;
  await init({ module_or_path: module });
  files = new engine.Files();
});
// every question tells of it
ready.catch(() => {});

/** Tells the page how far a run is; it hears what is said. */
const progress = (done, sigma, what, note) => {
  self.postMessage(note === null ? { progress: { done, sigma, what } } : { note: { weight: what, text: note } });
  return true;
};

/** Hands a result out, its buffers without a copy. */
function handOut(made) {
  const named = made.names().map((name) => [name, made.take(name)]);
  const summary = JSON.parse(made.summary());
  made.free();
  return { answer: { summary, files: named }, lent: named.map(([, bytes]) => bytes.buffer) };
}

const answers = {
  lend({ ports, reason }) {
    if (ports) engine.lend(new Workers(ports, module));
    else engine.alone(reason);
    return { answer: JSON.parse(engine.devices()) };
  },
  async files({ dropped }) {
    files.free();
    files = new engine.Files();
    for (const { name, file } of dropped) files.add(name, new Uint8Array(await file.arrayBuffer()));
    return { answer: files.names() };
  },
  practice() {
    files.free();
    files = engine.practice();
    return { answer: files.names().map((name) => [name, files.bytes(name)]) };
  },
  inspect: ({ path, images }) => ({ answer: JSON.parse(engine.inspect(files, path, JSON.stringify(images ?? {}))) }),
  demo: ({ run }) => handOut(engine.demo(JSON.stringify(run), Date.now(), progress)),
  dose: ({ request }) => handOut(engine.dose(files, JSON.stringify(request), Date.now(), progress)),
  tia: ({ request }) => handOut(engine.tia(files, JSON.stringify(request), Date.now(), progress)),
  course: ({ request }) => handOut(engine.course(files, JSON.stringify(request), Date.now(), progress)),
  audit: ({ request }) => handOut(engine.audit(files, JSON.stringify(request), Date.now(), progress)),
  zip: ({ named }) => {
    const bytes = engine.zip(named.map(([name]) => name), named.map(([, one]) => one));
    return { answer: bytes, lent: [bytes.buffer] };
  },
  identity: () => ({ answer: JSON.parse(engine.identity()) }),
  probe: () => ({ answer: JSON.parse(engine.probe()) }),
  probed: ({ answers, together }) => ({ answer: JSON.parse(engine.probed(answers, together)) }),
  ways: () => ({ answer: engine.ways() }),
  program: () => ({ answer: engine.program() }),
};

/** Answers one question of the page. */
async function answered({ data }) {
  try {
    await ready;
    const { answer, lent } = await answers[data.ask](data);
    self.postMessage({ id: data.id, answer }, { transfer: lent ?? [] });
  } catch (error) {
    const told = error?.lutra ?? { kind: "crash", message: `the engine stopped: ${error?.message ?? error}` };
    self.postMessage({ id: data.id, refused: told });
  }
}

// one after the other: files are handed over whole before anything is asked of them
let last = Promise.resolve();
self.addEventListener("message", (event) => {
  last = last.then(() => answered(event));
});
