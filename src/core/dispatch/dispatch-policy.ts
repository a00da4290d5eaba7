import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';

/** What waits at the moment of the choice. */
export interface DeviceLoads {
  /** Expected work in the queue that this device serves; µs of one slot. */
  queuedUs(device: Device): number;
}

/**
 * On which device an invocation runs, for functions that can use more than one. Asked once, when it is accepted; a function with one device is never asked
 * about. It must not call the engine.
 */
export interface DispatchPolicy {
  /** One of `devices`. `now` in µs. */
  choose(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads, now: number): Device;
  /** Its choices' ends, to learn from. */
  ended(invocation: Invocation, outcome: Outcome, now: number): void;
  /** The function is gone: forget it. */
  forget(fn: FunctionRecord): void;
}
