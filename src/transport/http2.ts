import type { NativeTransport } from '../native.js';
import { Connection, type ConnectionHandler, type Transport } from './transport.js';

/** Connections of the transport that speak HTTP/2 with a client of gRPC: the numbers in their records, and what can be said on them. The protocol itself is native/http2. */

/** Types of frames beside those of `FrameType`. `requestId` is the stream's number. */
export const Http2Event = {
  /**
   * A stream begins: `x0` is the number of its path (0 = no known one), `x1` and the letter `status` its `grpc-timeout` (0 = none that is well formed), the meta all other headers that matter, the
   * body its first DATA, if that came along.
   */
  request: 32,
  /** The body is DATA. */
  data: 33,
  /** The peer, or an error of its own making, has ended a stream that was not answered to its end. */
  reset: 34,
  ping: 35,
  pong: 36,
} as const;

/** In `flags`: the peer says nothing more on the stream. */
export const HTTP2_END = 1;
/** In `flags` of a request: its content type is "application/grpc" and no more. */
export const HTTP2_IS_GRPC = 2;

export const Http2Code = { noError: 0, enhanceYourCalm: 11 } as const;

export interface Http2ServerOptions {
  readonly maxStreams: number;
  /** Of a header list; bytes. */
  readonly maxHeaderBytes: number;
  /** What a peer may send ahead, on one stream and on all of them; bytes. */
  readonly streamWindow: number;
  readonly connectionWindow: number;
  /** Answers that a peer does not read, above which no calls are taken of it; bytes. */
  readonly maxWaitingBytes: number;
  /** Numbered from 1. */
  readonly paths: readonly string[];
}

/** Header lists as the addon takes and gives them: names and values in turn, each with a NUL behind it. */
export function fieldsText(fields: Readonly<Record<string, string | number>>): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}\0${value}\0`)
    .join('');
}

/** Fields of one name are joined with ", ", as HTTP has it. */
export function fieldsOf(text: string): Record<string, string> {
  // Names come from a peer: none of them may mean anything here.
  const fields = Object.create(null) as Record<string, string>;
  const parts = text.split('\0');
  for (let at = 0; at + 1 < parts.length; at += 2) {
    const name = parts[at] as string;
    const value = parts[at + 1] as string;
    const before = fields[name];
    fields[name] = before === undefined ? value : `${before}, ${value}`;
  }
  return fields;
}

export class Http2Server {
  readonly #transport: Transport;
  readonly #number: number;

  constructor(transport: Transport, options: Http2ServerOptions) {
    const { maxStreams, maxHeaderBytes, streamWindow, connectionWindow, maxWaitingBytes, paths } = options;
    this.#transport = transport;
    const names = paths.map((path) => `${path}\0`).join('');
    this.#number = transport.http2Server(
      maxStreams,
      maxHeaderBytes,
      streamWindow,
      connectionWindow,
      maxWaitingBytes,
      names,
    );
  }

  /** Takes over a connected stream socket, which is closed with the connection, and at once when it is none (throws). */
  serve(fd: number, handler: ConnectionHandler): Http2Connection {
    return this.#transport.make(
      (native, detach, window) =>
        new Http2Connection(native, native.http2Serve(fd, this.#number), handler, detach, window),
    );
  }
}

export class Http2Connection extends Connection {
  readonly #native: NativeTransport;
  /** Where `answerField` takes the rest of its message from; anything else may write to it, too. */
  readonly window: Uint8Array;

  constructor(
    native: NativeTransport,
    id: number,
    handler: ConnectionHandler,
    detach: (id: number) => number,
    window: Uint8Array,
  ) {
    super(native, id, handler, detach);
    this.#native = native;
    this.window = window;
  }

  /** The whole of a gRPC answer that succeeds; `message` with its prefix. */
  answer(stream: number, message: Uint8Array): void {
    if (this.open) this.#native.http2Answer(this.id, stream, message);
  }

  /**
   * As `answer`, of a message whose first field is a payload's text and whose others are the first `tailBytes` of `window`. The token is used up. false = the payload is empty or no UTF-8, and
   * is still the caller's.
   */
  answerField(stream: number, tag: number, payload: number, tailBytes: number): boolean {
    if (this.open) return this.#native.http2AnswerField(this.id, stream, tag, payload, tailBytes);
    this.#native.drop(payload);
    return true;
  }

  /** More of an answer; lists of fields as `fieldsText` makes them, '' = none. What the peer has no room for waits. */
  respond(stream: number, headers: string, body: Uint8Array | null, trailers: string, end: boolean): void {
    if (this.open) this.#native.http2Respond(this.id, stream, headers, body, trailers, end);
  }

  /** A `pong` follows. */
  ping(): void {
    if (this.open) this.#native.http2Ping(this.id);
  }

  /** "No new calls", of which those on their way are taken. */
  announceEnd(): void {
    if (this.open) this.#native.http2Announce(this.id);
  }

  /** "These were the last": they are answered, then `finished` is called. */
  leave(): void {
    if (this.open) this.#native.http2Leave(this.id);
  }

  /** Closes with an error; `closed` is not called. */
  fail(code: number, debug: string): void {
    if (!this.open) return;
    this.open = false;
    this.#native.http2Fail(this.id, code, debug);
  }

  /** Closes at once, whatever was not written; `closed` is not called. */
  abort(): void {
    if (!this.open) return;
    this.open = false;
    this.#native.abort(this.id);
  }
}
