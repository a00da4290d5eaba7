import type { ServerHttp2Stream } from 'node:http2';
import { OK_TRAILERS } from './response-headers.js';

/** What Node's stream has beneath it. */
interface StreamHandle {
  /** Negative = nghttp2 has refused them. */
  trailers(list: unknown): number;
}

/**
 * The trailers of a successful call, in the same write as its answer. `sendTrailers` puts them off to the next turn of the event loop, in a write of their own that wakes the caller a second time; nghttp2
 * wants them in the very call in which it asks ("nghttp2_submit_trailer" may be called by the data source). So they are given to the stream's handle, in the form that Node has once made of them itself. Where
 * a version of Node has no such handle, `sendTrailers` it is.
 */
export class OkTrailers {
  #symbol: symbol | null | undefined = undefined;
  #list: unknown = null;

  /** From inside `wantTrailers`. */
  send(stream: ServerHttp2Stream): void {
    const handle = this.#handleOf(stream);
    if (handle === null) {
      stream.sendTrailers(OK_TRAILERS);
    } else if (this.#list === null) {
      this.#learn(handle);
      stream.sendTrailers(OK_TRAILERS);
    } else if (handle.trailers(this.#list) < 0) {
      stream.destroy(new Error('nghttp2 does not take the trailers'));
    }
  }

  /** Keeps what Node gives this one handle. */
  #learn(handle: StreamHandle): void {
    const trailers = handle.trailers;
    handle.trailers = (list) => {
      this.#list = list;
      handle.trailers = trailers;
      return trailers.call(handle, list);
    };
  }

  #handleOf(stream: ServerHttp2Stream): StreamHandle | null {
    if (this.#symbol === undefined) {
      this.#symbol = Object.getOwnPropertySymbols(stream).find(({ description }) => description === 'kHandle') ?? null;
    }
    if (this.#symbol === null) return null;
    const handle = (stream as unknown as Record<symbol, Partial<StreamHandle> | undefined>)[this.#symbol];
    return typeof handle?.trailers === 'function' ? (handle as StreamHandle) : null;
  }
}
