import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { deflate, inflate, inflateNow } from './compression.js';
import { frameOf, MessageReader, type MessageSink, PREFIX_BYTES } from './message-reader.js';
import type { CallOwner, Cancellable, GrpcMethod, StreamHandler } from './method.js';
import { refuse } from './refusal.js';
import { acceptsGzip, isGzip, timeoutOf } from './request-headers.js';
import { closingTrailers, OK_TRAILERS, RESPOND, RESPONSE_HEADERS, RESPONSE_HEADERS_GZIP } from './response-headers.js';
import type { ConnectionFacts } from './sessions.js';
import { failureOf, GrpcCode, GrpcFailure } from './status.js';

/**
 * One call, from its headers to its trailers. It reads messages, keeps the deadline and hears of cancellation; what the call means is its method's. Answers are one
 * write each, and everything that is the same for all of them was made before.
 */

/** The stream's own call, found from listeners that all calls share: `this` is the stream in them. */
const CALL = Symbol('gRPC call');
type CallStream = ServerHttp2Stream & { [CALL]: GrpcCall };

/** `reading`: the message of a unary call is not there yet. */
type State = 'reading' | 'served' | 'closed';

export class GrpcCall implements MessageSink {
  readonly headers: IncomingHttpHeaders;
  readonly connection: ConnectionFacts;
  /** ms after its beginning; 0 = the caller waits for ever. */
  readonly timeoutMs: number;
  /** Told once, when the call ends otherwise than by an answer. */
  canceller: Cancellable | null = null;
  readonly #owner: CallOwner;
  readonly #stream: CallStream;
  readonly #method: GrpcMethod;
  readonly #gzip: boolean;
  #reader: MessageReader | null = null;
  #handler: StreamHandler | null = null;
  #deadline: NodeJS.Timeout | null = null;
  #state: State = 'reading';
  #responded = false;
  #trailers: Readonly<Record<string, string>> = OK_TRAILERS;

  /** Throws a GrpcFailure for headers that make no call. */
  constructor(
    owner: CallOwner,
    stream: ServerHttp2Stream,
    connection: ConnectionFacts,
    headers: IncomingHttpHeaders,
    method: GrpcMethod,
  ) {
    this.connection = connection;
    this.#owner = owner;
    this.#stream = stream as CallStream;
    this.headers = headers;
    this.#method = method;
    this.timeoutMs = timeoutOf(headers);
    this.#gzip = isGzip(headers);
  }

  /** Begins to read. */
  start(): void {
    const stream = this.#stream;
    stream[CALL] = this;
    stream.on('data', onData);
    stream.on('end', onEnd);
    stream.on('wantTrailers', onWantTrailers);
    stream.on('close', onClose);
    stream.on('error', ignore);
    this.#owner.opened(this);
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

  /** Nothing that is answered reaches anybody. Node knows of a reset before it says so: writing in between would throw at whoever settles. */
  get isClosed(): boolean {
    return this.#state === 'closed' || this.#stream.closed || this.#stream.destroyed;
  }

  received(chunk: Buffer): void {
    if (this.#state === 'closed') return;
    try {
      // Nearly always: the one message of the call, whole and alone.
      if (
        this.#reader === null &&
        chunk.length >= PREFIX_BYTES &&
        chunk[0] === 0 &&
        chunk.readUInt32BE(1) === chunk.length - PREFIX_BYTES &&
        chunk.length - PREFIX_BYTES <= this.#limit
      ) {
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
    this.#stream.respond(RESPONSE_HEADERS, RESPOND);
    this.#last(frame);
  }

  /** One answer of many. Nothing more is read from a caller that does not keep up. */
  send(frame: Buffer): void {
    if (this.isClosed) return;
    this.#respond();
    const stream = this.#stream;
    if (stream.write(frame)) return;
    stream.pause();
    stream.once('drain', () => stream.resume());
  }

  /** After the last of many. */
  end(): void {
    if (this.isClosed) return;
    this.#close();
    this.#respond();
    this.#stream.end();
  }

  /** An answer has not been made, and why. A defect is logged here. */
  fail(error: unknown): void {
    const failure = failureOf(error);
    if (failure.code === GrpcCode.internal && failure !== error) {
      this.#owner.log.error({ err: error, method: this.headers[':path'] }, 'a gRPC call failed');
    }
    if (this.#state === 'closed') return;
    this.#cancel();
    if (!this.#responded) {
      refuse(this.#stream, failure);
      return;
    }
    // Said in the trailers, which are asked for at the end.
    this.#trailers = closingTrailers(failure);
    this.#stream.end();
  }

  /** Also for a method that keeps it itself. */
  deadlinePassed(): void {
    this.fail(new GrpcFailure(GrpcCode.deadlineExceeded, `the call's deadline of ${this.timeoutMs} ms has passed`));
  }

  /** Its stream asks for them. */
  sendTrailers(): void {
    if (this.#trailers === OK_TRAILERS) this.#owner.okTrailers.send(this.#stream);
    else this.#stream.sendTrailers(this.#trailers);
  }

  /** The stream is no more: by an end of both sides, or by the caller's cancellation, or with its connection. */
  gone(): void {
    if (this.#state !== 'closed') this.#cancel();
  }

  /**
   * The whole of an answer. Left to itself, Node ends a stream with trailers only once its last frame has been written: they would go in a write of their own, one turn of the event loop later, and wake the
   * caller twice. Ended at once, everything goes in one.
   */
  #last(frame: Buffer): void {
    this.#stream.end(frame);
    this.#stream._final(ignore);
  }

  #respond(): void {
    if (this.#responded) return;
    this.#responded = true;
    this.#stream.respond(RESPONSE_HEADERS, RESPOND);
  }

  #answerCompressed(frame: Buffer): void {
    deflate(frame.subarray(PREFIX_BYTES), (error, bytes) => {
      if (this.isClosed) return;
      if (error !== null) {
        this.fail(error);
        return;
      }
      this.#close();
      this.#stream.respond(RESPONSE_HEADERS_GZIP, RESPOND);
      this.#last(frameOf(bytes, true));
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
    this.#owner.closed(this);
  }

  get #limit(): number {
    return this.#method.maxMessageBytes ?? this.#owner.maxMessageBytes;
  }
}

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  (this as CallStream)[CALL].received(chunk);
}

function onEnd(this: ServerHttp2Stream): void {
  (this as CallStream)[CALL].ended();
}

function onWantTrailers(this: ServerHttp2Stream): void {
  (this as CallStream)[CALL].sendTrailers();
}

function onClose(this: ServerHttp2Stream): void {
  (this as CallStream)[CALL].gone();
}

/** A stream that is reset says so by an error, too; `close` comes in any case. */
function ignore(): void {}
