// Workers that a run borrows: one with the graphics card, the others for more threads. The engine's call is not over before it has
// its result, so its worker cannot await: it posts, waits until memory that both see says so, and reads the answer there.
// @ts-check

/** Bytes before the text of an answer: whether it is there, and its length. */
const HEAD = 16;
/** Bytes before its bins. */
const TEXT = 1 << 16;

/** Memory for an answer. @param {number} bytes */
const room = (bytes) => new SharedArrayBuffer(TEXT + bytes);

/** Writes an answer and wakes who waits. @param {SharedArrayBuffer} into @param {string} text */
export function tell(into, text) {
  const bytes = new TextEncoder().encode(text);
  if (bytes.length > TEXT - HEAD) throw new Error(`an answer of ${bytes.length} bytes; allowed: ${TEXT - HEAD}`);
  new Uint8Array(into, HEAD, bytes.length).set(bytes);
  const head = new Int32Array(into, 0, 2);
  head[1] = bytes.length;
  Atomics.store(head, 0, 1);
  Atomics.notify(head, 0);
}

/** The bins beside an answer. @param {SharedArrayBuffer} answer @param {number} [count] */
export const bins = (answer, count) => new BigInt64Array(answer, TEXT, count);

/** What the engine calls (`web/engine/src/lent.rs`). */
export class Workers {
  /** @type {MessagePort[]} */
  #ports;
  /** @type {SharedArrayBuffer[]} */
  #answers;
  /** The compiled module, until each has it. @type {(WebAssembly.Module | null)[]} */
  #modules;

  /** @param {MessagePort[]} ports @param {WebAssembly.Module} module */
  constructor(ports, module) {
    this.#ports = ports;
    this.#answers = ports.map(() => room(0));
    this.#modules = ports.map(() => module);
  }

  get hands() {
    return this.#ports.length - 1;
  }

  post(who, ask, parts, bytes) {
    if (this.#answers[who].byteLength < TEXT + bytes) this.#answers[who] = room(bytes);
    const answer = this.#answers[who];
    Atomics.store(new Int32Array(answer, 0, 2), 0, 0);
    this.#ports[who].postMessage({ ask, parts, answer, module: this.#modules[who] });
    this.#modules[who] = null;
  }

  answer(who) {
    const head = new Int32Array(this.#answers[who], 0, 2);
    Atomics.wait(head, 0, 0);
    // a decoder takes no memory that others see
    return new TextDecoder().decode(new Uint8Array(this.#answers[who], HEAD, head[1]).slice());
  }

  bins(who, count) {
    return bins(this.#answers[who], count);
  }
}
