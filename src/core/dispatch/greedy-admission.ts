import type { FunctionRecord } from '../function-record.js';
import { numberOf, type PolicyParameters } from '../policy.js';
import { bounded, execUs } from './estimates.js';

/** How many functions greedy weights let onto the GPU, of those that gain by it. */

export interface GreedyItem {
  readonly fn: FunctionRecord;
  /** Seconds of execution saved a second. */
  readonly gain: number;
  /** Seconds of GPU execution it asks for a second. */
  readonly load: number;
}

/** The GPUs at the moment of computing. */
export interface GpuDemand {
  /** Invocations that all GPUs run at once. */
  readonly slots: number;
  readonly queueLength: number;
  /** Seconds of execution completed a second. */
  readonly throughput: number;
  /** Work queued for each slot; s. */
  readonly backlogS: number;
  /** Invocations since the set was computed last. */
  readonly arrivals: number;
}

/** How many from the front of `order`. */
export type Admission = (
  order: readonly GreedyItem[],
  demand: GpuDemand,
  parameters: PolicyParameters,
  size: number,
) => number;

/** Stands for the time between arrivals of a function that came only once; s. */
const UNKNOWN_INTERVAL_S = 100;

/** Those that gain, the greatest gain first; of equal ones, the one that was seen first. Only functions that ran on both devices can be judged. */
export function greedyOrder(functions: readonly FunctionRecord[]): GreedyItem[] {
  const items: GreedyItem[] = [];
  for (const fn of functions) {
    const { count, average } = fn.stats.interArrival;
    const intervalS = count === 0 ? UNKNOWN_INTERVAL_S : Math.max(1, bounded(average)) / 1e6;
    const [cpuS, gpuS] = [execUs(fn, 'cpu') / 1e6, execUs(fn, 'gpu') / 1e6];
    if (gpuS === 0 || cpuS <= gpuS) continue;
    items.push({ fn, gain: (cpuS - gpuS) / intervalS, load: gpuS / intervalS });
  }
  return items.sort((a, b) => b.gain - a.gain);
}

/** A quarter of three functions is one: with none, the GPU would be idle on a worker of few functions. */
function part(divisor: number): Admission {
  return (order, { slots }) => Math.min(slots, Math.ceil(order.length / divisor));
}

/** As many as it takes to reach a load; the last one may pass it. */
function untilLoad(order: readonly GreedyItem[], limit: number): number {
  let load = 0;
  let count = 0;
  while (count < order.length && load < limit) load += (order[count++] as GreedyItem).load;
  return count;
}

export const admissions = {
  top_quarter: part(4),
  top_third: part(3),
  load_limit: (order, { slots }, parameters) => Math.min(slots, untilLoad(order, numberOf(parameters, 'allowLoad'))),
  /** With a short queue there is room for all; with a long one, for as much as the GPUs get done. */
  queue_tput: (order, { queueLength, throughput }, parameters) =>
    queueLength > numberOf(parameters, 'longQueue') ? untilLoad(order, throughput) : order.length,
  fixed: (_order, _demand, parameters) => numberOf(parameters, 'cacheSize'),
  incremental: (_order, _demand, _parameters, size) => size,
} satisfies Record<string, Admission>;

/**
 * One more function when the GPUs have nothing queued though invocations come, or when they work well; one fewer when much is queued in spite of that. At
 * least one.
 */
export function nextSize(
  size: number,
  { backlogS, throughput, arrivals }: GpuDemand,
  parameters: PolicyParameters,
): number {
  if (backlogS === 0) return arrivals > 0 ? size + 1 : size;
  const [shrink, grow] = [numberOf(parameters, 'shrinkThroughput'), numberOf(parameters, 'growThroughput')];
  if (throughput >= shrink && backlogS >= numberOf(parameters, 'shrinkBacklogS')) return Math.max(1, size - 1);
  if (throughput >= grow || backlogS >= numberOf(parameters, 'growBacklogS')) return size + 1;
  return size;
}
