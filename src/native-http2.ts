/** What a transport of the addon does of HTTP/2 with clients that call, and with payloads that are read and answered where they lie; part of the door in `native.ts`. */

/** Connections are those of the transport, with its records, `close` and `abort`. Nothing happens on one that is gone, or on a stream that is no more. */
export interface NativeHttp2 {
  /**
   * A server of HTTP/2 with prior knowledge, for `http2Serve`. Of each connection: calls at once, bytes of a header list, windows of a stream and of the connection, and
   * bytes of answers that may wait for the peer before no calls are taken. `paths` that are called, each with a NUL behind it, are numbered from 1.
   */
  http2Server(
    maxStreams: number,
    maxHeaderBytes: number,
    streamWindow: number,
    connectionWindow: number,
    maxWaiting: number,
    paths: string,
  ): number;
  /** Takes over a connected stream socket, which it closes when it throws. Its records are those of src/transport/http2.ts, with the stream in the place of requestId. */
  http2Serve(fd: number, server: number): number;
  /** The whole of a gRPC answer that succeeds: the usual headers, `body` as DATA, the usual trailers. */
  http2Answer(connection: number, stream: number, body: Uint8Array): void;
  /**
   * The same for a message that begins with a field of text, the body of a payload under `tag`, and ends with the first `tailBytes` of the window; its prefix is made here. Uses the token up. false = it is empty or
   * not UTF-8: nothing has happened.
   */
  http2AnswerField(connection: number, stream: number, tag: number, payload: number, tailBytes: number): boolean;
  /**
   * More of an answer: headers ('' = no more of them), DATA, and with `end` the trailers ('' = none). Names and values in turn, each with a NUL behind it. What the windows do not let through waits.
   * A stream that ends before its peer has ended it is reset with NO_ERROR. Nothing happens where the stream is no more.
   */
  http2Respond(
    connection: number,
    stream: number,
    headers: string,
    body: Uint8Array | null,
    trailers: string,
    end: boolean,
  ): void;
  http2Reset(connection: number, stream: number, code: number): void;
  http2Ping(connection: number): void;
  /** GOAWAY that refuses nothing yet. */
  http2Announce(connection: number): void;
  /** GOAWAY with the last stream there was. What is open is answered, then CONNECTION_FINISHED. */
  http2Leave(connection: number): void;
  /** GOAWAY with an error, and the end of the connection. */
  http2Fail(connection: number, code: number, debug: string): void;
  /** Copies its body into the window: how many bytes; −1 = they do not fit. */
  peek(payload: number): number;
  /** Leaves of its body `bytes` from `from` on. */
  narrow(payload: number, from: number, bytes: number): void;
}
