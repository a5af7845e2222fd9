// Whether the graphics card of this browser computes as the kernel needs it: the engine has the pass and knows the answers.
// @ts-check

/** How long a card may take, ms. */
const PATIENCE = 60_000;

/** What comes, or an error where nothing does. @template T @param {Promise<T>} coming @returns {Promise<T>} */
const soon = (coming) => Promise.race([coming, new Promise((_, reject) => setTimeout(reject, PATIENCE, new Error(`no answer for ${PATIENCE / 1000} s`)))]);

/** What a card answers, or why none does. @param {(ask: string, more?: object) => Promise<any>} ask */
export async function probed(ask) {
  const gpu = /** @type {any} */ (navigator).gpu;
  const adapter = gpu && await soon(gpu.requestAdapter({ powerPreference: "high-performance" }));
  if (!adapter) return { device: null, words: gpu ? "no adapter" : "no WebGPU in this browser" };
  const { vendor, architecture, device: name, description } = adapter.info ?? {};
  const device = [description || vendor, architecture, name].filter(Boolean).join(" ") || "unnamed";
  try {
    const began = performance.now();
    const { answers, together } = await soon(adapter.requestDevice().then(async (device) => answered(device, await ask("probe"))));
    const seconds = (performance.now() - began) / 1000;
    return { device, seconds, ...await ask("probed", { answers, together }) };
  } catch (error) {
    return { device, sound: false, words: `the pass failed: ${error.message}` };
  }
}

/** The words that a device leaves. */
async function answered(device, { text, cases, inputs, params_bytes, answer_words, together_words }) {
  const use = /** @type {any} */ (globalThis).GPUBufferUsage;
  const lost = device.lost.then(({ reason, message }) => reason === "destroyed" ? null : Promise.reject(new Error(`device lost: ${message}`)));
  lost.catch(() => {});
  device.pushErrorScope("validation");
  const buffer = (bytes, usage) => device.createBuffer({ size: bytes, usage });
  const written = use.STORAGE | use.COPY_SRC;
  const [tally, ledger] = together_words.map((words) => buffer(4 * words, written));
  const answers = buffer(4 * answer_words, written);
  const params = buffer(params_bytes, use.UNIFORM);
  const given = buffer(4 * inputs.length, use.STORAGE | use.COPY_DST);
  const read = buffer(answers.size + tally.size + ledger.size, use.MAP_READ | use.COPY_DST);
  device.queue.writeBuffer(given, 0, new Uint32Array(inputs));
  const module = device.createShaderModule({ code: text });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "probe" } });
  const bound = [[0, params], [7, tally], [8, ledger], [10, given], [11, answers]];
  const entries = bound.map(([binding, one]) => ({ binding, resource: { buffer: one } }));
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  pass.setPipeline(pipeline);
  pass.setBindGroup(0, group);
  pass.dispatchWorkgroups(Math.ceil(cases / 64));
  pass.end();
  let at = 0;
  for (const one of [answers, tally, ledger]) {
    encoder.copyBufferToBuffer(one, 0, read, at, one.size);
    at += one.size;
  }
  device.queue.submit([encoder.finish()]);
  const refused = await device.popErrorScope();
  if (refused) throw new Error(refused.message);
  await Promise.race([read.mapAsync(1), lost]);
  const words = new Uint32Array(read.getMappedRange().slice(0));
  device.destroy();
  return { answers: words.slice(0, answer_words), together: words.slice(answer_words) };
}
