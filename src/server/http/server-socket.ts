import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** What Node keeps on a socket of its HTTP server and has no public name for. Where one of these is missing, a connection counts as busy. */
export interface ServerSocket extends Socket {
  readonly _handle?: Handle | null;
  readonly parser?: RequestParser | null;
  /** The first answer that is not in the kernel's hands; null = none, once there has been one. */
  readonly _httpMessage?: ServerResponse | null;
  /** Node itself has stopped reading, since answers pile up. */
  readonly _paused?: boolean;
}

export interface Handle {
  readonly fd: number;
  readStart(): number;
  readStop(): number;
}

export interface RequestParser {
  /** How long it has been at the request that it is reading, from the first byte; 0 = between two. Never 0 before the first one. */
  duration?(): number;
  headersCompleted?(): boolean;
  /** The request whose headers were last complete. */
  readonly incoming: IncomingMessage | null;
  execute(bytes: Buffer): number | Error;
}

/** Exact: the parser's own word, which also counts a request of which one byte came with the one before. */
export function isBetweenRequests(socket: ServerSocket): boolean {
  return socket.bytesRead === 0 || socket.parser?.duration?.() === 0;
}

/** Neither a request nor an answer is on its way on it, and neither side has begun to end it. */
export function isFree(socket: ServerSocket): boolean {
  return (
    (socket.bytesRead === 0 || socket._httpMessage === null) &&
    socket.readable &&
    socket.writable &&
    socket.writableLength === 0 &&
    socket.readableLength === 0 &&
    isBetweenRequests(socket)
  );
}
