// Workers that a run borrows: one with the graphics card, the others for more threads. The engine's call is not over before it has
// its result, so its worker cannot await: it posts, waits until memory that both see says so, and reads the answer there.
// @ts-check

/** Bytes before the text of an answer: whether it is there, its length, and signs of life before it. */
const HEAD = 16;
/** Bytes before its bins. */
const TEXT = 1 << 16;

/** The worker with the graphics card. */
const CARD = 0;
/** How long the card may give no sign before it is given up, ms: for a list of what there is, for its kernels to compile. A browser
 * itself ends a dispatch that takes too long. */
const PATIENCE = { adapters: 20_000, run: 60_000 };

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

/** Says that work goes on. @param {SharedArrayBuffer} into */
export const sign = (into) => Atomics.add(new Int32Array(into, 0, 3), 2, 1);

/** An answer that a device has failed. @param {string} device @param {string} message */
export const failed = (device, message) => JSON.stringify({ Err: { Device: { device, message } } });

/** The bins beside an answer. @param {SharedArrayBuffer} answer @param {number} [count] */
export const bins = (answer, count) => new BigInt64Array(answer, TEXT, count);

/** What the engine calls (`web/engine/src/lent.rs`). */
export class Workers {
  /** @type {MessagePort[]} */
  #ports;
  /** @type {SharedArrayBuffer[]} */
  #answers;
  /** Why nobody is asked any more. @type {string[]} */
  #silent = [];
  /** How long each may give no sign, ms. @type {number[]} */
  #patience = [];
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
    if (this.#silent[who]) return;
    this.#patience[who] = who === CARD ? PATIENCE[ask] ?? PATIENCE.run : Infinity;
    // bins fill their room: another scene has another
    if (bytes && this.#answers[who].byteLength !== TEXT + bytes) this.#answers[who] = room(bytes);
    const answer = this.#answers[who];
    Atomics.store(new Int32Array(answer, 0, 3), 0, 0);
    this.#ports[who].postMessage({ ask, parts, answer, module: this.#modules[who] });
    this.#modules[who] = null;
  }

  answer(who) {
    if (this.#silent[who]) return this.#silent[who];
    const head = new Int32Array(this.#answers[who], 0, 3);
    let seen = Atomics.load(head, 2);
    while (Atomics.wait(head, 0, 0, this.#patience[who]) === "timed-out") {
      const signs = Atomics.load(head, 2);
      if (signs === seen) return this.#given_up(who);
      seen = signs;
    }
    // a decoder takes no memory that others see
    return new TextDecoder().decode(new Uint8Array(this.#answers[who], HEAD, head[1]).slice());
  }

  /** Asks a worker nothing more: what it may say later belongs to no question. */
  #given_up(who) {
    this.#silent[who] = failed("graphics card", `it gave no sign for ${this.#patience[who] / 1000} s`);
    return this.#silent[who];
  }

  bins(who, count) {
    return bins(this.#answers[who], count);
  }
}
