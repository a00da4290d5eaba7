/**
 * Captured output: what user code writes to process.stdout and process.stderr (and so console) while an invocation runs goes, bounded, into its
 * result. Outside an invocation it goes to the real descriptors, and so to the worker's log; so does what child processes write.
 */
import { Writable } from 'node:stream';
import { writeAll } from './wire.mjs';

const { from, concat, isBuffer } = Buffer;
const { nextTick } = process;

/** Both streams of one invocation; `clear` makes it ready for the next. */
export class Sink {
  #limit;
  #parts = [[], []];
  #bytes = [0, 0];
  cut = false;

  constructor(limit) {
    this.#limit = limit;
  }

  get used() {
    return this.cut || this.#bytes[0] !== 0 || this.#bytes[1] !== 0;
  }

  add(index, data) {
    const room = this.#limit - this.#bytes[index];
    const kept = data.length > room ? data.subarray(0, room) : data;
    if (kept.length < data.length) this.cut = true;
    if (kept.length === 0) return;
    this.#bytes[index] += kept.length;
    // A caller may write into its buffer again.
    this.#parts[index].push(from(kept));
  }

  bytes(index) {
    return concat(this.#parts[index]);
  }

  text(index) {
    return this.bytes(index).toString('utf8');
  }

  clear() {
    this.#parts = [[], []];
    this.#bytes = [0, 0];
    this.cut = false;
  }
}

/** Where output goes now. `sink` is null between invocations. With several at once, `storage` (an AsyncLocalStorage of invocations) tells them apart. */
export class Capture {
  sink = null;
  storage = null;

  /** Takes the place of process.stdout and process.stderr. Before their first use: the global console keeps what it finds then. */
  install() {
    for (const [index, name] of ['stdout', 'stderr'].entries()) {
      const stream = new CapturedStream(this, index);
      Object.defineProperty(process, name, { configurable: true, enumerable: true, get: () => stream });
    }
  }

  write(index, data) {
    const sink = this.sink ?? this.storage?.getStore()?.sink ?? null;
    if (sink === null) writeAll(index + 1, data);
    else sink.add(index, data);
  }
}

class CapturedStream extends Writable {
  #capture;
  #index;
  fd;
  isTTY = false;

  constructor(capture, index) {
    super({ decodeStrings: false });
    this.#capture = capture;
    this.#index = index;
    this.fd = index + 1;
  }

  // Overridden whole, not through _write: nothing may wait in the stream when the reply is made.
  write(chunk, encoding, callback) {
    const done = typeof encoding === 'function' ? encoding : callback;
    const data = typeof chunk === 'string' ? from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk;
    if (!isBuffer(data) && !(data instanceof Uint8Array)) throw new TypeError('output must be a string or bytes');
    this.#capture.write(this.#index, data);
    if (typeof done === 'function') nextTick(done, null);
    return true;
  }

  // The next invocation needs it.
  end(chunk, encoding, callback) {
    if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') this.write(chunk, encoding);
    const done = [chunk, encoding, callback].find((argument) => typeof argument === 'function');
    if (done !== undefined) nextTick(done);
    return this;
  }

  destroy() {
    return this;
  }
}
