import type { NativeTransport } from '../native.js';

/** The frame being handled. `payload` is a token for `Connection.forward`, `Transport.body`, or `keep`. */
export class Frame {
  type = 0;
  status = 0;
  flags = 0;
  requestId = 0;
  x0 = 0;
  x1 = 0;
  x2 = 0;
  metaBytes = 0;
  bodyBytes = 0;
  payload = 0;
  readonly #native: NativeTransport;

  readonly #window: Uint8Array;

  constructor(native: NativeTransport, window: Uint8Array) {
    this.#native = native;
    this.#window = window;
  }

  /** The meta as text; '' = none. */
  meta(): string {
    return this.metaBytes === 0 ? '' : this.#native.meta(this.payload);
  }

  /** A copy of the body. The token stays valid. */
  body(): Buffer {
    return this.bodyBytes === 0 ? EMPTY : this.#native.body(this.payload);
  }

  /** The body in memory that is used again: to be read at once. null = it is too large for that. */
  peek(): Uint8Array | null {
    const bytes = this.bodyBytes === 0 ? 0 : this.#native.peek(this.payload);
    return bytes < 0 ? null : this.#window.subarray(0, bytes);
  }

  /** Leaves of the body `bytes` from `from` on, and gives the payload away as `keep` does. */
  keepPart(from: number, bytes: number): number {
    this.#native.narrow(this.payload, from, bytes);
    return this.keep();
  }

  /** Take ownership of the payload: the caller must forward or drop it. 0 = there is none. */
  keep(): number {
    const token = this.payload;
    this.payload = 0;
    return token;
  }
}

const EMPTY = Buffer.alloc(0);
