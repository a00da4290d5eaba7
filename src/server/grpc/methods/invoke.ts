import { performance } from 'node:perf_hooks';
import { InvokeResponse } from '../../../rpc/gen/iluvatar_rpc.js';
import { type Gateway, type GatewayResult, type GatewaySink, takeBody } from '../../gateway.js';
import type { TraceRequestHeaders } from '../../trace-headers.js';
import type { GrpcCall } from '../grpc-call.js';
import type { Cancellable, UnaryMethod } from '../method.js';
import { decoded } from './codec.js';
import { type MethodContext, tidOf } from './context.js';
import { energyFields } from './energy-fields.js';
import {
  type Details,
  JSON_RESULT,
  REST_BYTES,
  readInvokeRequest,
  writeInvokeResponse,
  writeRest,
} from './invoke-messages.js';
import { COMPUTE, CONTAINER_STATE, errorJson, NOT_REGISTERED } from './words.js';

/** `invoke`, the hot path: one object per call, no promise, and neither arguments nor result are parsed. */

export class InvokeMethod implements UnaryMethod {
  readonly kind = 'unary';
  readonly readsAtOnce = true;
  /** The engine has a deadline for each invocation: the call's is the same one, unless the function's own is earlier. */
  readonly keepsDeadline = true;
  readonly #gateway: Gateway;
  readonly #worker: string;

  constructor({ gateway, config }: MethodContext) {
    this.#gateway = gateway;
    this.#worker = config.name;
  }

  serve(call: GrpcCall, message: Uint8Array): void {
    const request = decoded(readInvokeRequest, message);
    const { name, version, args, details } = request;
    const tid = tidOf(request.tid, call);
    const gateway = this.#gateway;
    const handle = gateway.resolve(name, version);
    const pending = new PendingInvocation(gateway, call, details ? this.#worker : null);
    let timeoutMs = 0;
    if (call.timeoutMs > 0 && call.timeoutMs <= gateway.timeoutMs(handle)) {
      timeoutMs = Math.max(1, Math.round(call.timeoutMs));
      pending.byCaller = true;
    }
    const { traceparent, tracestate } = call.headers as TraceRequestHeaders;
    const body = args.length === 0 ? '' : call.part(args);
    const id = gateway.invoke(handle, body, timeoutMs, tid, pending, traceparent, tracestate);
    if (id === 0) return;
    pending.id = id;
    call.canceller = pending;
  }
}

class PendingInvocation implements GatewaySink, Cancellable {
  /** For `abandon`. */
  id = 0;
  /** The deadline that it has is the call's. */
  byCaller = false;
  readonly #gateway: Gateway;
  readonly #call: GrpcCall;
  /** Name of the worker, for a caller that asked for details; null = for one that did not. */
  readonly #worker: string | null;
  readonly #startedAt = performance.now();

  constructor(gateway: Gateway, call: GrpcCall, worker: string | null) {
    this.#gateway = gateway;
    this.#call = call;
    this.#worker = worker;
  }

  cancelled(): void {
    this.#gateway.abandon(this.id);
  }

  settled(result: GatewayResult): void {
    if (typeof result.payload === 'number' && result.errorClass === null && this.#forwarded(result)) return;
    const body = takeBody(this.#gateway, result.payload);
    const call = this.#call;
    if (call.isClosed) return;
    if (result.errorClass === 'timeout' && this.byCaller) {
      call.canceller = null;
      call.deadlinePassed();
      return;
    }
    const details = this.#worker === null ? null : detailsOf(result, this.#worker);
    call.answer(answerOf(result, body, this.#elapsedUs, details));
  }

  /** The result as it lies in the transport, if it can go from there. */
  #forwarded(result: GatewayResult): boolean {
    const call = this.#call;
    const { window } = call;
    if (window === null || result.payload === 0) return false;
    const details = this.#worker === null ? null : detailsOf(result, this.#worker);
    if (details !== null && REST_BYTES + details.length > window.length) return false;
    const tailBytes = writeRest(window, 0, factsOf(result, this.#elapsedUs), details);
    return call.answerField(JSON_RESULT, result.payload as number, tailBytes);
  }

  get #elapsedUs(): number {
    return (performance.now() - this.#startedAt) * 1000;
  }
}

/** What the original says of an invocation. `elapsedUs`: of the whole of it, here. */
function answerOf(result: GatewayResult, body: Uint8Array | null, elapsedUs: number, details: Details): Buffer {
  const { errorClass } = result;
  if (errorClass !== null && errorClass !== 'user_error') {
    const text = errorClass === 'not_found' ? NOT_REGISTERED : errorJson(result.message ?? errorClass);
    return writeInvokeResponse({ jsonResult: text, success: false, ...NOT_RUN }, details);
  }
  const jsonResult = errorClass === null ? resultOf(body) : errorJson(result.message ?? errorClass);
  return writeInvokeResponse({ jsonResult, ...factsOf(result, elapsedUs) }, details);
}

/** Of one that came to its end. */
function factsOf(result: GatewayResult, elapsedUs: number) {
  return {
    success: result.errorClass === null,
    // Given to its container and answered by it: what queue and start took comes off.
    durationUs: Math.max(result.runUs, Math.floor(elapsedUs) - result.queueUs - result.startUs),
    compute: COMPUTE[result.device ?? 'cpu'],
    containerState: CONTAINER_STATE[result.state ?? 'warm'],
  };
}

/** A function that gives nothing gives null. */
function resultOf(body: Uint8Array | null): Uint8Array {
  return body === null || body.length === 0 ? NULL : body;
}

const NULL = Buffer.from('null');
const NOT_RUN = { durationUs: 0, compute: 0, containerState: 0 };

function detailsOf(result: GatewayResult, worker: string): Uint8Array {
  return InvokeResponse.encode({
    ...NOTHING_ELSE,
    errorClass: result.errorClass ?? '',
    errorMessage: result.message ?? '',
    transactionId: result.tid,
    worker,
    backend: result.backend ?? '',
    attempts: result.attempts,
    queueUs: result.queueUs,
    createUs: result.startUs,
    throttledUs: result.throttledUs,
    ...energyFields(result.energy),
  }).finish();
}

const NOTHING_ELSE = { jsonResult: '', success: false, ...NOT_RUN, containerState: 0 as const };
