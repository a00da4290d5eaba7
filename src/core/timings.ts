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

/** As the original's benchmarks write them, of one kind of device: results in seconds, durations in µs. */
interface GivenTimings {
  readonly cold_results_sec: readonly number[];
  readonly warm_results_sec: readonly number[];
  readonly cold_worker_duration_us: readonly number[];
  readonly warm_worker_duration_us: readonly number[];
}

/** Between the units in which a function is registered and the engine's. */
export function timingsOf(given: {
  readonly CPU?: GivenTimings | undefined;
  readonly GPU?: GivenTimings | undefined;
}): FunctionTimings {
  const { CPU, GPU } = given;
  return {
    ...(CPU === undefined ? {} : { cpu: deviceTimings(CPU) }),
    ...(GPU === undefined ? {} : { gpu: deviceTimings(GPU) }),
  };
}

function deviceTimings(given: GivenTimings): DeviceTimings {
  const us = (seconds: number): number => Math.round(seconds * 1e6);
  return {
    coldRunUs: given.cold_results_sec.map(us),
    warmRunUs: given.warm_results_sec.map(us),
    coldTotalUs: given.cold_worker_duration_us,
    warmTotalUs: given.warm_worker_duration_us,
  };
}

/** The other way: as a function is registered with them. */
export function givenTimingsOf({ cpu, gpu }: FunctionTimings): { CPU?: MutableTimings; GPU?: MutableTimings } {
  return {
    ...(cpu === undefined ? {} : { CPU: givenTimings(cpu) }),
    ...(gpu === undefined ? {} : { GPU: givenTimings(gpu) }),
  };
}

type MutableTimings = { -readonly [Key in keyof GivenTimings]: number[] };

function givenTimings({ coldRunUs, warmRunUs, coldTotalUs, warmTotalUs }: DeviceTimings): MutableTimings {
  const seconds = (us: number): number => us / 1e6;
  return {
    cold_results_sec: coldRunUs.map(seconds),
    warm_results_sec: warmRunUs.map(seconds),
    cold_worker_duration_us: [...coldTotalUs],
    warm_worker_duration_us: [...warmTotalUs],
  };
}

/** How many creations of containers there are among these timings. */
export function measuredCreations({ coldTotalUs, coldRunUs }: DeviceTimings): number {
  return Math.min(coldTotalUs.length, coldRunUs.length);
}

/** What a cold invocation took beyond the run itself; `index` below `measuredCreations`. */
export function measuredCreationUs({ coldTotalUs, coldRunUs }: DeviceTimings, index: number): number {
  return Math.max(0, Math.round((coldTotalUs[index] as number) - (coldRunUs[index] as number)));
}

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
