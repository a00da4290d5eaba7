import { readSync } from 'node:fs';
import type { IncomingMessage, Server } from 'node:http';
import type { Handle, ServerSocket } from './server-socket.js';

/** What is read at once of a body whose length or progress is not known; the end may be passed by so much. */
const COARSE_BYTES = 16 * 1024;
/** A body so short is rather read byte by byte. */
const SHORT_BODY_BYTES = 4096;
/** System calls before others get their turn. */
const READS_PER_TURN = 2000;

/**
 * Reads the rest of the request that a connection is in the middle of, and nothing behind it. Node takes whatever has come, and of a client that always sends ahead that always ends in the middle of
 * another request. So it does not read here any more: headers are taken byte by byte, since only their parser knows where they end, and a body by its length. For the few requests
 * that a hand-over meets in the middle that is cheap.
 */
export class RequestRest {
  readonly #server: Server;
  readonly #socket: ServerSocket;
  readonly #byte = Buffer.alloc(1);
  /** Of the body, when it was seen from its beginning; 0 = it was not, or there is none. */
  #left = 0;

  constructor(server: Server, socket: ServerSocket) {
    this.#server = server;
    this.#socket = socket;
  }

  /** Takes what has come of it. The reading of `handle` must be stopped. */
  advance(handle: Handle): void {
    for (let reads = 0; reads < READS_PER_TURN && !this.#socket.destroyed; reads++) {
      const { parser, _paused } = this.#socket;
      // Answers pile up: the parser takes nothing either, until they have been written.
      if (_paused === true) return;
      if (parser == null || parser.duration?.() === 0 || parser.headersCompleted === undefined) return;
      const inHeaders = !parser.headersCompleted();
      const size = inHeaders ? 1 : this.#left > 0 ? this.#left : unknownRest(parser.incoming);
      // Bodies are kept by who gets them.
      const buffer = size === 1 ? this.#byte : Buffer.allocUnsafe(Math.min(size, COARSE_BYTES));
      const read = this.#read(handle, buffer);
      if (read <= 0) return;
      const parsed = parser.execute(buffer.subarray(0, read));
      if (parsed instanceof Error) {
        this.#server.emit('clientError', parsed, this.#socket);
        return;
      }
      if (this.#left > 0) this.#left -= read;
      else if (inHeaders && parser.headersCompleted() && parser.duration?.() !== 0)
        this.#left = lengthOf(parser.incoming);
    }
  }

  /** 0 = nothing has come yet, or nothing will. */
  #read(handle: Handle, buffer: Buffer): number {
    try {
      const read = readSync(handle.fd, buffer);
      // The client has left in the middle of it.
      if (read === 0) this.#socket.destroy();
      return read;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') this.#socket.destroy();
      return 0;
    }
  }
}

/** 0 = chunked, or none. */
function lengthOf(request: IncomingMessage | null): number {
  return Number(request?.headers['content-length'] ?? 0);
}

function unknownRest(request: IncomingMessage | null): number {
  const length = lengthOf(request);
  return length > 0 && length <= SHORT_BODY_BYTES ? 1 : COARSE_BYTES;
}
