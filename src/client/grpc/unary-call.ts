import type { ClientHttp2Stream, IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http2';
import { constants } from 'node:http2';
import { IluvatarError } from '../../core/errors.js';
import type { Connection } from './connection.js';
import type { Connector } from './connector.js';
import { MessageReader } from './message.js';
import { errorOf, errorOfHttp, errorOfReset } from './status.js';

const { NGHTTP2_CANCEL, NGHTTP2_REFUSED_STREAM } = constants;
/** A call that a server did not touch is sent again; one that every server refuses has an end. */
const MAX_ATTEMPTS = 5;

export interface UnaryRequest {
  readonly headers: OutgoingHttpHeaders;
  /** The message behind its prefix. */
  readonly frame: Buffer;
  /** 0 = never. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  readonly maxBytes: number;
}

/** One message to the server and one back. Settles once, whatever comes afterwards. */
export class UnaryCall {
  readonly #connector: Connector;
  readonly #request: UnaryRequest;
  readonly #resolve: (message: Uint8Array) => void;
  readonly #reject: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout | null;
  readonly #aborted: (() => void) | null;
  #stream: ClientHttp2Stream | null = null;
  #attempts = 0;
  #settled = false;
  /** The end of its stream says nothing any more: the answer may still be being decompressed. */
  #answered = false;

  constructor(
    connector: Connector,
    request: UnaryRequest,
    resolve: (message: Uint8Array) => void,
    reject: (error: unknown) => void,
  ) {
    this.#connector = connector;
    this.#request = request;
    this.#resolve = resolve;
    this.#reject = reject;
    const { timeoutMs, signal } = request;
    this.#timer = timeoutMs > 0 ? setTimeout(() => this.#timedOut(), Math.min(timeoutMs, LONGEST_TIMER_MS)) : null;
    this.#aborted = signal === undefined ? null : () => this.#giveUp(new IluvatarError('cancelled', 'given up'));
    if (this.#aborted !== null) signal?.addEventListener('abort', this.#aborted, { once: true });
    if (signal?.aborted === true) this.#aborted?.();
    else this.#start();
  }

  #start(): void {
    this.#attempts++;
    const connection = this.#connector.connection();
    if (connection instanceof Promise) {
      connection.then(
        (made) => this.#send(made),
        (error: unknown) => this.#fail(error),
      );
    } else {
      this.#send(connection);
    }
  }

  #send(connection: Connection): void {
    if (this.#settled) return;
    if (!connection.open) {
      this.#again('the connection was lost');
      return;
    }
    const stream = connection.request(this.#request.headers);
    this.#stream = stream;
    const reader = new MessageReader(this.#request.maxBytes);
    let encoding: string | undefined;
    let failure: NodeJS.ErrnoException | null = null;
    stream.on('response', (headers) => {
      encoding = headers['grpc-encoding'] as string | undefined;
      if (headers['grpc-status'] !== undefined) this.#fail(errorOf(headers) ?? noMessage());
      else if (headers[':status'] !== 200) this.#giveUp(errorOfHttp(headers[':status'] ?? 0));
    });
    stream.on('data', (chunk: Buffer) => {
      if (this.#settled) return;
      try {
        reader.add(chunk);
      } catch (error) {
        this.#giveUp(error);
      }
    });
    stream.on('trailers', (trailers) => this.#take(trailers, reader, encoding));
    stream.on('error', (error) => {
      failure = error;
    });
    stream.on('close', () => {
      connection.ended();
      if (!this.#settled && !this.#answered) this.#cut(connection, stream, failure);
    });
    stream.end(this.#request.frame);
  }

  #take(trailers: IncomingHttpHeaders, reader: MessageReader, encoding: string | undefined): void {
    if (this.#settled) return;
    this.#answered = true;
    const error = trailers['grpc-status'] === undefined ? errorOfHttp(200) : errorOf(trailers);
    if (error !== null) {
      this.#fail(error);
      return;
    }
    try {
      const message = reader.message(encoding);
      if (message instanceof Promise) {
        message.then(
          (unzipped) => this.#succeed(unzipped),
          (reason: unknown) => this.#fail(reason),
        );
      } else {
        this.#succeed(message);
      }
    } catch (reason) {
      this.#fail(reason);
    }
  }

  /** The stream ended without an answer. */
  #cut(connection: Connection, stream: ClientHttp2Stream, failure: NodeJS.ErrnoException | null): void {
    const code = stream.rstCode;
    if (failure?.code === 'ERR_HTTP2_OUT_OF_STREAMS') {
      connection.retire();
      this.#again(failure.message);
    } else if (code === NGHTTP2_REFUSED_STREAM || connection.untouched(stream)) {
      this.#again('the server is going away or takes no more calls');
    } else if (connection.lost) {
      const why = connection.lostBecause || (failure?.message ?? 'the server closed it');
      this.#fail(new IluvatarError('unavailable', `the connection was lost: ${why}`, { mayHaveRun: true }));
    } else if (code === 0) {
      this.#fail(new IluvatarError('internal', 'the server ended the call unanswered'));
    } else {
      this.#fail(errorOfReset(code, { mayHaveRun: true }));
    }
  }

  #again(why: string): void {
    this.#stream = null;
    if (this.#attempts < MAX_ATTEMPTS) this.#start();
    else this.#fail(new IluvatarError('unavailable', `${why}, in ${this.#attempts} attempts`));
  }

  #timedOut(): void {
    this.#giveUp(new IluvatarError('timeout', `no answer within ${this.#request.timeoutMs} ms`));
  }

  #giveUp(error: unknown): void {
    this.#fail(error);
    this.#stream?.close(NGHTTP2_CANCEL);
  }

  #succeed(message: Uint8Array): void {
    if (this.#settled) return;
    this.#settle();
    this.#resolve(message);
  }

  #fail(error: unknown): void {
    if (this.#settled) return;
    this.#settle();
    this.#reject(error);
  }

  #settle(): void {
    this.#settled = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#aborted !== null) this.#request.signal?.removeEventListener('abort', this.#aborted);
  }
}

/** setTimeout takes no more, and fires at once for it. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

function noMessage(): IluvatarError {
  return new IluvatarError('internal', 'the server answered OK without a message');
}
