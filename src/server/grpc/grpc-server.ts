import { createServer, type Http2Server, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Log } from '../../telemetry/logs/log.js';
import { GrpcCall } from './grpc-call.js';
import type { CallOwner, GrpcMethods } from './method.js';
import { OkTrailers } from './ok-trailers.js';
import { refuse, refuseHttp } from './refusal.js';
import { isGrpc } from './request-headers.js';
import { type GrpcSessionOptions, GrpcSessions } from './sessions.js';
import { failureOf, GrpcCode, GrpcFailure } from './status.js';

/** gRPC over HTTP/2 without TLS, straight on `node:http2`: which method a stream is for, and what is no call. It knows no service. */

export interface GrpcServerOptions extends GrpcSessionOptions {
  readonly methods: GrpcMethods;
  /** Largest message of a caller, also when it is not compressed any more; bytes. */
  readonly maxMessageBytes: number;
  readonly compressFromBytes: number;
  /** Calls at once on one connection. */
  readonly maxConcurrentStreams: number;
  readonly log: Log;
}

/** What a caller may send ahead on one call, and on all of a connection: enough for a message of usual size to come without a pause; bytes. */
const STREAM_WINDOW = 1024 * 1024;

export class GrpcServer implements CallOwner {
  readonly server: Http2Server;
  readonly sessions: GrpcSessions;
  readonly maxMessageBytes: number;
  readonly compressFromBytes: number;
  readonly log: Log;
  readonly okTrailers = new OkTrailers();
  readonly #methods: GrpcMethods;
  readonly #streaming = new Set<GrpcCall>();
  #calls = 0;

  constructor(options: GrpcServerOptions) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.compressFromBytes = options.compressFromBytes;
    this.log = options.log;
    this.#methods = options.methods;
    this.server = createServer({
      settings: {
        maxConcurrentStreams: options.maxConcurrentStreams,
        initialWindowSize: STREAM_WINDOW,
        enablePush: false,
      },
      // Answers that a slow caller has not read are counted here, too: room for one of the largest beside many small ones. MB.
      maxSessionMemory: 64 + Math.ceil((2 * options.maxMessageBytes) / (1024 * 1024)),
    });
    this.sessions = new GrpcSessions(options);
    this.server.on('session', (session) => this.sessions.opened(session));
    this.server.on('stream', (stream, headers) => this.#serve(stream, headers));
    // Each session has a listener of its own; without this one an error of a session would be one of the server.
    this.server.on('sessionError', () => {});
  }

  /** Open ones. */
  get calls(): number {
    return this.#calls;
  }

  opened(call: GrpcCall): void {
    this.#calls++;
    this.sessions.began(call.connection);
    if (call.isStreaming) this.#streaming.add(call);
  }

  closed(call: GrpcCall): void {
    this.#calls--;
    this.sessions.ended(call.connection);
    if (call.isStreaming) this.#streaming.delete(call);
  }

  /** Calls that have no end of their own: their callers are to call again, somewhere else. */
  endStreaming(): void {
    for (const call of this.#streaming) call.fail(new GrpcFailure(GrpcCode.unavailable, 'the worker is going away'));
  }

  #serve(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const method = this.#methods.get(headers[':path'] as string);
    const status = httpFault(headers);
    if (status !== 0 || method === undefined) {
      stream.on('error', () => {});
      if (status !== 0) refuseHttp(stream, status);
      else refuse(stream, unknownMethod(headers));
      return;
    }
    const connection = this.sessions.of(stream.session);
    if (connection === undefined) return;
    let call: GrpcCall;
    try {
      call = new GrpcCall(this, stream, connection, headers, method);
    } catch (error) {
      stream.on('error', () => {});
      refuse(stream, failureOf(error));
      return;
    }
    call.start();
  }
}

/** HTTP status for what is no gRPC at all; 0 = it is. */
function httpFault(headers: IncomingHttpHeaders): number {
  if (!isGrpc(headers['content-type'])) return 415;
  return headers[':method'] === 'POST' ? 0 : 405;
}

function unknownMethod(headers: IncomingHttpHeaders): GrpcFailure {
  return new GrpcFailure(GrpcCode.unimplemented, `there is no method ${headers[':path'] ?? ''}`);
}
