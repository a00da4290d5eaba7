import type { ErrorClass, ErrorDetails } from './errors.js';
import type { Device } from './function.js';
import type { FunctionRecord } from './function-record.js';
import type { Container, ContainerState } from './pool/container.js';

/**
 * Arguments or result of an invocation. Opaque to the engine: the transport's payload token, a Buffer, a simulated
 * duration. The engine moves it and never looks inside.
 */
export type Payload = unknown;

/** How an invocation ended. `errorClass` null = success. */
export interface Outcome {
  readonly errorClass: ErrorClass | null;
  readonly message: string | null;
  readonly details: ErrorDetails | null;
  /** The function's result, or null. */
  readonly payload: Payload;
  /** Time inside the function as the agent measured it; µs. */
  readonly runUs: number;
  /** Part of it in which its container's CPU quota was used up, summed over the cores; µs, absent = 0. */
  readonly throttledUs?: number;
  /** What its container was found to have held, where that is more than its memory; MiB, absent = 0 = not known to be. */
  readonly overMb?: number;
  /** CPU time of its container that is its own, on all cores; µs, absent or null = not measured. */
  readonly cpuUs?: number | null;
}

/**
 * Where an answer goes. An edge implements it; the engine calls `settled` exactly once per accepted invocation,
 * synchronously, never from inside `Engine.invoke` itself unless the answer is known there (rejected).
 */
export interface InvocationSink {
  /** `now`: when it ended, on the engine's clock. */
  settled(invocation: Invocation, outcome: Outcome, now: number): void;
}

/** An attempt to make a container for an invocation, or to run it, after which another was made. */
export interface FailedAttempt {
  /** The engine's clock; µs. */
  readonly at: number;
  readonly step: 'create' | 'run';
  readonly backend: string;
  readonly errorClass: ErrorClass;
  readonly message: string;
}

/** One accepted invocation. Times are the engine's clock, µs; 0 = not yet. */
export interface Invocation {
  /** Unique within an engine, increasing. */
  readonly id: number;
  readonly fn: FunctionRecord;
  readonly device: Device;
  readonly tid: string;
  readonly payload: Payload;
  readonly sink: InvocationSink;
  readonly enqueuedAt: number;
  /** Absolute deadline. */
  readonly deadline: number;
  /** Left the queue for a container. */
  dispatchedAt: number;
  /** Sent to a ready container. */
  runningAt: number;
  attempts: number;
  /** State the container had when this invocation was given to it. */
  containerState: ContainerState | null;
  container: Container | null;
  /** In their order; null = none failed. */
  failedAttempts: FailedAttempt[] | null;
  phase: 'queued' | 'starting' | 'running' | 'settled';
  /** Scratch of the queue policy that holds it (heap index, list links). Touched by that policy only. */
  queueNode: unknown;
}
