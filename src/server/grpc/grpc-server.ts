import { createServer, type Server, type Socket } from 'node:net';
import { native } from '../../native.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { Frame } from '../../transport/frame.js';
import { fieldsOf, HTTP2_IS_GRPC, Http2Server } from '../../transport/http2.js';
import { Transport } from '../../transport/transport.js';
import { GrpcCall } from './grpc-call.js';
import { type ConnectionOwner, GrpcConnection } from './grpc-connection.js';
import type { CallOwner, GrpcMethod, GrpcMethods } from './method.js';
import { refuse, refuseHttp } from './refusal.js';
import { type CallHeaders, isGrpc } from './request-headers.js';
import { type GrpcSessionOptions, GrpcSessions } from './sessions.js';
import { failureOf, GrpcCode, GrpcFailure } from './status.js';

/** gRPC over HTTP/2 without TLS, on the transport: which method a stream is for, and what is no call. It knows no service. Node accepts connections, and gives them to the transport. */

export interface GrpcServerOptions extends GrpcSessionOptions {
  readonly methods: GrpcMethods;
  /** Largest message of a caller, also when it is not compressed any more; bytes. */
  readonly maxMessageBytes: number;
  readonly compressFromBytes: number;
  /** Calls at once on one connection. */
  readonly maxConcurrentStreams: number;
  readonly log: Log;
  /** That of the thread; absent = one of its own. */
  readonly transport?: Transport;
}

const MIB = 1024 * 1024;
/** What a caller may send ahead on one call, and on all of a connection: enough for a message of usual size to come without a pause; bytes. */
const STREAM_WINDOW = MIB;
const CONNECTION_WINDOW = 4 * MIB;
const MAX_HEADER_BYTES = 64 * 1024;

export class GrpcServer implements CallOwner, ConnectionOwner {
  readonly server: Server;
  readonly sessions: GrpcSessions;
  readonly maxMessageBytes: number;
  readonly compressFromBytes: number;
  readonly minPingMs: number;
  readonly log: Log;
  readonly sharesPayloads: boolean;
  readonly #http2: Http2Server;
  readonly #ownTransport: Transport | null;
  /** By the numbers of their paths, less 1. */
  readonly #methods: readonly (readonly [path: string, method: GrpcMethod])[];
  readonly #streaming = new Set<GrpcCall>();
  #calls = 0;

  constructor(options: GrpcServerOptions) {
    this.maxMessageBytes = options.maxMessageBytes;
    this.compressFromBytes = options.compressFromBytes;
    this.minPingMs = options.minPingMs;
    this.log = options.log;
    this.sharesPayloads = options.transport !== undefined;
    this.#methods = [...options.methods];
    this.#ownTransport = options.transport === undefined ? new Transport(OWN_TRANSPORT) : null;
    this.#http2 = new Http2Server(options.transport ?? (this.#ownTransport as Transport), {
      maxStreams: options.maxConcurrentStreams,
      maxHeaderBytes: MAX_HEADER_BYTES,
      streamWindow: STREAM_WINDOW,
      connectionWindow: CONNECTION_WINDOW,
      // Answers that a slow caller has not read: room for some of the largest beside many small ones.
      maxWaitingBytes: 64 * MIB + 2 * options.maxMessageBytes,
      paths: this.#methods.map(([path]) => path),
    });
    this.sessions = new GrpcSessions(options);
    this.server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => this.#accepted(socket));
  }

  /** Open ones. */
  get calls(): number {
    return this.#calls;
  }

  opened(call: GrpcCall): void {
    this.#calls++;
    if (call.isStreaming) this.#streaming.add(call);
  }

  ended(call: GrpcCall): void {
    this.#calls--;
    if (call.isStreaming) this.#streaming.delete(call);
  }

  /** Calls that have no end of their own: their callers are to call again, somewhere else. */
  endStreaming(): void {
    for (const call of this.#streaming) call.fail(new GrpcFailure(GrpcCode.unavailable, 'the worker is going away'));
  }

  begin(connection: GrpcConnection, frame: Frame): void {
    const stream = frame.requestId;
    const found = frame.x0 === 0 ? undefined : this.#methods[frame.x0 - 1];
    const status = httpFault(frame);
    if (status !== 0) {
      refuseHttp(connection.http2, stream, status);
      return;
    }
    let call: GrpcCall;
    try {
      if (found === undefined) throw unknownMethod(fieldsOf(frame.meta()));
      call = new GrpcCall(this, connection, frame, ...found);
    } catch (error) {
      refuse(connection.http2, stream, failureOf(error));
      return;
    }
    call.start(frame);
  }

  closed(connection: GrpcConnection): void {
    this.sessions.closed(connection);
  }

  /** After the last connection. */
  stop(): void {
    this.sessions.stop();
    this.#ownTransport?.destroy();
  }

  /** Node has read nothing of it, and lets go of it; its copy is the transport's. */
  #accepted(socket: Socket): void {
    socket.on('error', () => {});
    const { _handle } = socket as unknown as { _handle: { fd: number } | null };
    try {
      if (_handle === null) return;
      const connection = new GrpcConnection(this);
      connection.http2 = this.#http2.serve(native().system.duplicate(_handle.fd), connection);
      this.sessions.opened(connection);
    } catch (error) {
      // It is gone already, or there are no more descriptors.
      this.log.warn({ err: error }, 'a connection for gRPC could not be taken');
    } finally {
      socket.destroy();
    }
  }
}

const OWN_TRANSPORT = { maxBodyBytes: 64 * MIB, spinUs: 0, highWaterBytes: MIB, hello: '' };

/** HTTP status for what is no gRPC at all; 0 = it is. */
function httpFault(frame: Frame): 0 | 405 | 415 {
  if ((frame.flags & HTTP2_IS_GRPC) !== 0 && frame.metaBytes === 0) return 0;
  const headers = fieldsOf(frame.meta());
  if ((frame.flags & HTTP2_IS_GRPC) === 0 && !isGrpc(headers['content-type'])) return 415;
  return (headers[':method'] ?? 'POST') === 'POST' ? 0 : 405;
}

function unknownMethod(headers: CallHeaders): GrpcFailure {
  return new GrpcFailure(GrpcCode.unimplemented, `there is no method ${headers[':path'] ?? ''}`);
}
