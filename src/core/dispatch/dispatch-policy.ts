import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';

/** What the engine knows of its queues at the moment of a choice. Everything O(1); times in µs. */
export interface DeviceLoads {
  /** Expected work of everything queued for this device. */
  queuedUs(device: Device): number;
  /** Invocations queued for it. */
  queueLength(device: Device): number;
  /** Of these, of one function. */
  queuedOf(fn: FunctionRecord, device: Device): number;
  /** From now to the answer, were it queued there now: waiting and running; 0 = nothing is known yet. */
  completionUs(fn: FunctionRecord, device: Device): number;
  /** Invocations it runs at once: CPU slots, or GPU tokens of all GPUs together. */
  parallelism(device: Device): number;
  /** Seconds of execution completed a second, over the latest 20 completions there. */
  throughput(device: Device): number;
  /** Chance of a warm container there, were it queued now: 0 … 1. */
  hitProbability(fn: FunctionRecord, device: Device): number;
  /** Functions with something queued or running there. */
  activeFunctions(device: Device): number;
}

/** `all`: queued on each of its devices; the first that can start it does, and the others forget it. */
export type DispatchChoice = Device | 'all';

/**
 * On which device an invocation runs, for functions that can use more than one. Asked once, when it is accepted; a function with one device is never asked
 * about. It must not call the engine.
 */
export interface DispatchPolicy {
  /** One of `devices`, of which there are at least two, or `all`. `now` in µs. */
  choose(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): DispatchChoice;
  /** An invocation that it chose a device for has ended, on `invocation.device`: to learn from. Its function's `stats` have it already. */
  ended(invocation: Invocation, outcome: Outcome, now: number): void;
  /** The function is gone: forget it. */
  forget(fn: FunctionRecord): void;
  /** Its inner state for status and logs: plain JSON. */
  report?(): unknown;
}
