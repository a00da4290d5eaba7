import type { MethodName } from '../config/api.js';
import type { ErrorClass, ErrorDetails, InvocationEnergy } from '../core/errors.js';
import type { Device } from '../core/function.js';
import type { Trigger } from '../telemetry/tracing/settled-invocation.js';

/**
 * What an edge (unix socket, HTTP, gRPC) may ask of the worker in its own thread. Edges translate; they do not decide. The worker
 * implements this once; tests of an edge may implement it again.
 */

/** The end of an invocation. Valid only during `settled`, except `payload`, which the sink owns. */
export interface GatewayResult {
  readonly errorClass: ErrorClass | null;
  readonly message: string | null;
  readonly details: ErrorDetails | null;
  /** The function's result (JSON text): a transport payload token to forward or drop, bytes, or null. */
  readonly payload: number | Uint8Array | null;
  readonly tid: string;
  readonly queueUs: number;
  readonly startUs: number;
  readonly runUs: number;
  /** Part of it that the container's CPU quota took, summed over the cores. */
  readonly throttledUs: number;
  /** What it took of the machine; null or absent = energy is not read, or it cannot be told. */
  readonly energy?: InvocationEnergy | null;
  /** From giving the arguments to a container to its answer, less `runUs`; absent = 0, it never ran. */
  readonly overheadUs?: number;
  readonly attempts: number;
  /** That ran it; null or absent = none did. */
  readonly backend?: string | null;
  readonly state: 'cold' | 'prewarm' | 'warm' | null;
  /** Of the container that ran it; null or absent = none did. */
  readonly device?: Device | null;
}

export interface GatewaySink {
  /** What brought it, for its trace; absent = `other`. */
  readonly trigger?: Trigger;
  /** Exactly once per accepted invocation; may be called from inside `invoke` when the answer is known there. */
  settled(result: GatewayResult): void;
}

export interface Gateway {
  /** Handle of a registered function, or 0. One map look-up. */
  resolve(name: string, version: string): number;
  /** How long the function may take when `invoke` is told nothing else; ms, 0 for no function. */
  timeoutMs(handle: number): number;
  /**
   * Runs a function. `payload` is a transport payload token (used up), bytes or text of JSON arguments. `timeoutMs` 0 = the function's
   * own; `tid` '' = made here. Never throws. Returns an id for `abandon`, 0 when already settled. `traceparent`, `tracestate`: the caller's trace
   * context (https://www.w3.org/TR/trace-context/) as it came, not checked; '' or absent = none.
   */
  invoke(
    handle: number,
    payload: number | Uint8Array | string,
    timeoutMs: number,
    tid: string,
    sink: GatewaySink,
    traceparent?: string,
    tracestate?: string,
  ): number;
  /** The caller has left: a queued invocation is dropped (if configured), a running one goes on. `settled` still comes. */
  abandon(id: number): void;
  /** Control plane. Rejects with an IluvatarError. `params` are checked against `methodSchemas` here. */
  call(
    method: MethodName,
    params: unknown,
    body: Uint8Array | null,
    progress: (line: string) => void,
  ): Promise<unknown>;
  /** Copies a payload token's body out of the transport; the token stays valid. */
  body(payload: number): Buffer;
  drop(payload: number): void;
}

/** A result's body, out of the transport if it is there still: its token is used up. For edges that answer with bytes. */
export function takeBody(gateway: Gateway, payload: GatewayResult['payload']): Uint8Array | null {
  if (typeof payload !== 'number') return payload;
  if (payload === 0) return null;
  const body = gateway.body(payload);
  gateway.drop(payload);
  return body;
}
