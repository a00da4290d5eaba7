import type { Device } from './function.js';
import type { DeviceStats, FunctionStats } from './stats.js';

/** Times of a function on one kind of device, measured before it was registered; µs. Lists may be empty and of different lengths. */
export interface DeviceTimings {
  /** Inside the function, on a container that was made for it. */
  readonly coldRunUs: readonly number[];
  /** Inside the function, on a container that had run before. */
  readonly warmRunUs: readonly number[];
  /** From enqueueing to the answer, as the worker saw it, the container's creation included; of the same invocations as `coldRunUs`, in the same order. */
  readonly coldTotalUs: readonly number[];
  /** The same, warm. */
  readonly warmTotalUs: readonly number[];
}

export type FunctionTimings = Readonly<Partial<Record<Device, DeviceTimings>>>;

/** A function begins with what was measured elsewhere, as if it had been seen here, in the order of the lists: policies need not learn it anew. */
export function learnTimings(stats: FunctionStats, timings: FunctionTimings): void {
  for (const device of ['cpu', 'gpu'] as const) {
    const measured = timings[device];
    if (measured !== undefined) learn(stats.of(device), measured);
  }
}

function learn(stats: DeviceStats, { coldRunUs, warmRunUs, coldTotalUs, warmTotalUs }: DeviceTimings): void {
  for (const us of [...coldRunUs, ...warmRunUs]) stats.exec.add(us);
  for (const us of coldTotalUs) {
    stats.cold.add(us);
    stats.e2e.add(us);
  }
  for (const us of warmTotalUs) {
    stats.warm.add(us);
    stats.prewarm.add(us);
    stats.e2e.add(us);
  }
}
