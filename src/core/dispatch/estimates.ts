import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation, Outcome } from '../invocation.js';
import type { DeviceLoads } from './dispatch-policy.js';

/** The longest time that is told apart from a longer one, µs (285 years): sums and products of such times stay finite. */
export const MOST_US = Number.MAX_SAFE_INTEGER;
/** The greatest speed-up told apart from a greater one. */
const MOST_SPEEDUP = 1e6;

/** A time or a count that can be calculated with: what is no number or below 0 is 0, what is endless is the longest time. */
export function bounded(value: number): number {
  return value > 0 ? Math.min(value, MOST_US) : 0;
}

/** Average time inside the function on this device, µs; 0 = it never ran there. What was measured as nothing took the clock's one step. */
export function execUs(fn: FunctionRecord, device: Device): number {
  const { count, average } = fn.stats.of(device).exec;
  if (count === 0 && !(average > 0)) return 0;
  return Math.max(1, bounded(average));
}

/** Execution time on the CPU over that on the GPU; 0 = one of them is not known. */
export function speedupOf(fn: FunctionRecord): number {
  const gpuUs = execUs(fn, 'gpu');
  return gpuUs === 0 ? 0 : Math.min(MOST_SPEEDUP, execUs(fn, 'cpu') / gpuUs);
}

/** From now to the answer, were it queued there now; µs, 0 = unknown. */
export function completionUs(fn: FunctionRecord, device: Device, loads: DeviceLoads): number {
  return bounded(loads.completionUs(fn, device));
}

/** The device that would answer first; one that nothing is known of comes last. */
export function soonest(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads): Device {
  return least(
    devices,
    devices.map((device) => completionUs(fn, device, loads)),
  );
}

/** The device of the least time; 0 is unknown and comes last. Of equal ones, the first. */
export function least(devices: readonly Device[], times: readonly number[]): Device {
  let chosen = 0;
  for (let index = 1; index < devices.length; index++) {
    const time = times[index] as number;
    const best = times[chosen] as number;
    if (time > 0 && (best === 0 || time < best)) chosen = index;
  }
  return devices[chosen] as Device;
}

/**
 * What an ended invocation says about its device. An error that the function raised is a failure too: it is often an early one, and would look fast. When
 * the caller is its cause, it comes on every device alike. What was withdrawn or refused before it had a container says nothing, unless its time passed in
 * that device's queue.
 */
export function lessonOf(invocation: Invocation, outcome: Outcome): 'success' | 'failure' | 'none' {
  switch (outcome.errorClass) {
    case null:
      return 'success';
    case 'user_error':
    case 'timeout':
    case 'out_of_memory':
    case 'crashed':
    case 'start_failed':
    case 'internal':
      return 'failure';
    case 'unavailable':
      return invocation.attempts > 0 ? 'failure' : 'none';
    default:
      return 'none';
  }
}

/** From enqueueing to its end; µs, at least one. */
export function endToEndUs(invocation: Invocation, now: number): number {
  return Math.max(1, bounded(now - invocation.enqueuedAt));
}
