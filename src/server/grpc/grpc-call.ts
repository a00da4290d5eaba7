import type { Frame } from '../../transport/frame.js';
import { fieldsOf, HTTP2_END, type Http2Connection } from '../../transport/http2.js';
import { deflate, inflate, inflateNow } from './compression.js';
import type { GrpcConnection } from './grpc-connection.js';
import { frameOf, MessageReader, type MessageSink, PREFIX_BYTES } from './message-reader.js';
import type { CallOwner, Cancellable, GrpcMethod, StreamHandler } from './method.js';
import { refuse } from './refusal.js';
import { acceptsGzip, type CallHeaders, isGzip, timeoutIn, timeoutOf } from './request-headers.js';
import { closingTrailers, OK_TRAILERS, RESPONSE_HEADERS, RESPONSE_HEADERS_GZIP } from './response-headers.js';
import { failureOf, GrpcCode, GrpcFailure } from './status.js';

/**
 * One call, from its headers to its trailers. It reads messages, keeps the deadline and hears of cancellation; what the call means is its method's. Answers are one
 * write each, and everything that is the same for all of them was made before.
 */

/** Of nearly every call: nothing that is not said by its method and its time-out. */
const NO_HEADERS: CallHeaders = Object.freeze(Object.create(null));

/** `reading`: the message of a unary call is not there yet. */
type State = 'reading' | 'served' | 'closed';

export class GrpcCall implements MessageSink {
  /** Those that are not the same for all calls; of `grpc-timeout` only a malformed one. */
  readonly headers: CallHeaders;
  readonly path: string;
  /** ms after its beginning; 0 = the caller waits for ever. */
  readonly timeoutMs: number;
  /** Told once, when the call ends otherwise than by an answer. */
  canceller: Cancellable | null = null;
  readonly #owner: CallOwner;
  readonly #connection: GrpcConnection;
  readonly #http2: Http2Connection;
  readonly #stream: number;
  readonly #method: GrpcMethod;
  readonly #gzip: boolean;
  #reader: MessageReader | null = null;
  #handler: StreamHandler | null = null;
  #deadline: NodeJS.Timeout | null = null;
  #state: State = 'reading';
  #responded = false;
  /** While it is read from. */
  #frame: Frame | null = null;

  /** Throws a GrpcFailure for headers that make no call. */
  constructor(owner: CallOwner, connection: GrpcConnection, frame: Frame, path: string, method: GrpcMethod) {
    this.#owner = owner;
    this.#connection = connection;
    this.#http2 = connection.http2;
    this.#stream = frame.requestId;
    this.path = path;
    this.#method = method;
    this.headers = frame.metaBytes === 0 ? NO_HEADERS : fieldsOf(frame.meta());
    this.timeoutMs = frame.status === 0 ? timeoutOf(this.headers) : timeoutIn(frame.x1, frame.status);
    this.#gzip = isGzip(this.headers);
  }

  /** Begins, with what came along with its headers. */
  start(frame: Frame): void {
    this.#connection.began(this.#stream, this);
    this.#owner.opened(this);
    this.#open();
    if (frame.bodyBytes > 0 && !this.#readAtOnce(frame)) this.received(frame.body());
    if ((frame.flags & HTTP2_END) !== 0) this.ended();
  }

  #open(): void {
    if (this.timeoutMs > 0 && !this.#method.keepsDeadline) {
      this.#deadline = setTimeout(() => this.deadlinePassed(), this.timeoutMs);
    }
    if (this.#method.kind !== 'streaming') return;
    this.#state = 'served';
    try {
      this.#handler = this.#method.open(this);
    } catch (error) {
      this.fail(error);
    }
  }

  get isStreaming(): boolean {
    return this.#method.kind === 'streaming';
  }

  /** Nothing that is answered reaches anybody. */
  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** The one message of a call, whole and alone, where it lies. False: it is something else, and nothing has happened. */
  #readAtOnce(frame: Frame): boolean {
    const method = this.#method;
    if (method.kind !== 'unary' || method.readsAtOnce !== true || this.#state !== 'reading') return false;
    const chunk = frame.peek();
    if (chunk === null || !isWhole(chunk, this.#limit)) return false;
    this.#state = 'served';
    this.#frame = frame;
    try {
      method.serve(this, chunk.subarray(PREFIX_BYTES));
    } catch (error) {
      this.fail(error);
    }
    this.#frame = null;
    return true;
  }

  /** Bytes of the message at hand for the gateway: as a payload, if it takes them, else as a copy, if they have to be one. Of what `serve` was given. */
  part(bytes: Uint8Array): number | Uint8Array {
    const frame = this.#frame;
    if (frame === null) return bytes;
    return this.#owner.sharesPayloads ? frame.keepPart(bytes.byteOffset, bytes.length) : bytes.slice();
  }

  received(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    try {
      // Nearly always: the one message of the call, whole and alone.
      if (this.#reader === null && isWhole(chunk, this.#limit)) {
        this.message(chunk.subarray(PREFIX_BYTES), false);
        return;
      }
      this.#reader ??= new MessageReader(this.#limit, this);
      this.#reader.read(chunk);
    } catch (error) {
      this.fail(error);
    }
  }

  message(bytes: Buffer, compressed: boolean): void {
    if (this.#state === 'closed') return;
    if (compressed && !this.#gzip) {
      throw new GrpcFailure(GrpcCode.internal, 'a message is compressed, and grpc-encoding does not say how');
    }
    const method = this.#method;
    if (method.kind === 'streaming') {
      // Their messages are small: they need not go to another thread and come back in order.
      (this.#handler as StreamHandler).message(compressed ? inflateNow(bytes, this.#limit) : bytes);
      return;
    }
    if (this.#state !== 'reading')
      throw new GrpcFailure(GrpcCode.unimplemented, 'the method takes one message, and got more');
    this.#state = 'served';
    if (!compressed) {
      method.serve(this, bytes);
      return;
    }
    inflate(bytes, this.#limit, (failure, inflated) => {
      if (this.#state === 'closed') return;
      try {
        if (failure !== null) throw failure;
        method.serve(this, inflated);
      } catch (error) {
        this.fail(error);
      }
    });
  }

  /** The caller has said everything. */
  ended(): void {
    if (this.#state === 'closed') return;
    if (this.#reader?.inMessage === true) {
      this.fail(new GrpcFailure(GrpcCode.internal, 'the call ended in the middle of a message'));
    } else if (this.#state === 'reading') {
      this.fail(new GrpcFailure(GrpcCode.unimplemented, 'the method takes one message, and got none'));
    } else this.#endHandler();
  }

  #endHandler(): void {
    try {
      this.#handler?.ended();
    } catch (error) {
      this.fail(error);
    }
  }

  /** The answer of a unary method: a message with its prefix, which may be written to. */
  answer(frame: Buffer): void {
    if (this.isClosed) return;
    if (this.#gzip && frame.length >= this.#owner.compressFromBytes && acceptsGzip(this.headers)) {
      this.#answerCompressed(frame);
      return;
    }
    this.#close();
    this.#http2.answer(this.#stream, frame);
  }

  /** Where `answerField` takes the end of its message from, to be written to at once; null = this call cannot be answered so. */
  get window(): Uint8Array | null {
    return this.isClosed || this.#gzip || !this.#owner.sharesPayloads ? null : this.#http2.window;
  }

  /**
   * The same of a message that begins with a payload's text under `tag`, and goes on with the first `tailBytes` of `window`. The token is used up. False: it is empty or no text, nothing has
   * happened, and it is still the caller's.
   */
  answerField(tag: number, payload: number, tailBytes: number): boolean {
    if (!this.#http2.answerField(this.#stream, tag, payload, tailBytes)) return false;
    this.#close();
    return true;
  }

  /** One answer of many. No more is taken of a caller that does not keep up: its window stays shut. */
  send(frame: Buffer): void {
    if (this.isClosed) return;
    this.#http2.respond(this.#stream, this.#headersOnce(), frame, '', false);
  }

  /** After the last of many. */
  end(): void {
    if (this.isClosed) return;
    this.#close();
    this.#http2.respond(this.#stream, this.#headersOnce(), null, OK_TRAILERS, true);
  }

  /** An answer has not been made, and why. A defect is logged here. */
  fail(error: unknown): void {
    const failure = failureOf(error);
    if (failure.code === GrpcCode.internal && failure !== error) {
      this.#owner.log.error({ err: error, method: this.path }, 'a gRPC call failed');
    }
    if (this.#state === 'closed') return;
    this.#cancel();
    if (this.#responded) this.#http2.respond(this.#stream, '', null, closingTrailers(failure), true);
    else refuse(this.#http2, this.#stream, failure);
  }

  /** Also for a method that keeps it itself. */
  deadlinePassed(): void {
    this.fail(new GrpcFailure(GrpcCode.deadlineExceeded, `the call's deadline of ${this.timeoutMs} ms has passed`));
  }

  /** The stream is no more: by the caller's cancellation, or with its connection. */
  gone(): void {
    if (this.#state !== 'closed') this.#cancel();
  }

  /** The headers of an answer, or none when it has begun. */
  #headersOnce(): string {
    if (this.#responded) return '';
    this.#responded = true;
    return RESPONSE_HEADERS;
  }

  #answerCompressed(frame: Buffer): void {
    deflate(frame.subarray(PREFIX_BYTES), (error, bytes) => {
      if (this.isClosed) return;
      if (error !== null) {
        this.fail(error);
        return;
      }
      this.#close();
      this.#http2.respond(this.#stream, RESPONSE_HEADERS_GZIP, frameOf(bytes, true), OK_TRAILERS, true);
    });
  }

  #cancel(): void {
    const { canceller } = this;
    this.#close();
    canceller?.cancelled();
  }

  #close(): void {
    this.#state = 'closed';
    this.canceller = null;
    this.#reader = null;
    if (this.#deadline !== null) clearTimeout(this.#deadline);
    this.#connection.ended(this.#stream);
    this.#owner.ended(this);
  }

  get #limit(): number {
    return this.#method.maxMessageBytes ?? this.#owner.maxMessageBytes;
  }
}

/** One message that is not compressed, and nothing else. */
function isWhole(chunk: Uint8Array, maxBytes: number): boolean {
  const bytes = chunk.length - PREFIX_BYTES;
  if (bytes < 0 || bytes > maxBytes || chunk[0] !== 0) return false;
  return (
    (((chunk[1] as number) << 24) |
      ((chunk[2] as number) << 16) |
      ((chunk[3] as number) << 8) |
      (chunk[4] as number)) ===
    bytes
  );
}
