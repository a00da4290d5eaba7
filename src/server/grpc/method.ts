import type { Log } from '../../telemetry/logs/log.js';
import type { GrpcCall } from './grpc-call.js';

/** What a service is to the transport (methods by their paths), and what calls and server are to each other. */

interface Common {
  /** The method itself fails the call when its deadline has passed, so that the transport needs no timer for it. */
  readonly keepsDeadline?: boolean;
  /** Of a request; the server's limit unless given. */
  readonly maxMessageBytes?: number;
}

export interface UnaryMethod extends Common {
  readonly kind: 'unary';
  /** `message` may be in memory that is used again for another call: what is to be kept of it is copied, or is `call.part`. */
  readonly readsAtOnce?: boolean;
  /** Must come to `call.answer` or `call.fail` at some time; what it throws fails the call. */
  serve(call: GrpcCall, message: Uint8Array): void;
}

/** One of any number of requests and answers. */
export interface StreamingMethod extends Common {
  readonly kind: 'streaming';
  open(call: GrpcCall): StreamHandler;
}

export interface StreamHandler {
  message(message: Buffer): void;
  /** The caller sends nothing more. */
  ended(): void;
}

export type GrpcMethod = UnaryMethod | StreamingMethod;

/** By path: "/package.Service/method". */
export type GrpcMethods = ReadonlyMap<string, GrpcMethod>;

/** What the calls of one server share. */
export interface CallOwner {
  readonly maxMessageBytes: number;
  /** Answers shorter than this are not worth compressing. */
  readonly compressFromBytes: number;
  readonly log: Log;
  /** Payloads of the transport are the gateway's, too. */
  readonly sharesPayloads: boolean;
  opened(call: GrpcCall): void;
  ended(call: GrpcCall): void;
}

/** Whoever works on a call's answer, and should know when nobody waits for it any more. */
export interface Cancellable {
  /** The caller has left, or its deadline has passed: nothing that is answered now is read. */
  cancelled(): void;
}
