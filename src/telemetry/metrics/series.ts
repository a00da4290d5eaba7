import { ERROR_CLASSES, type ErrorClass, errorCode } from '../../core/errors.js';

/**
 * What is counted for one function, in plain typed arrays: an observation is a few indexed additions, and everything that costs (labels,
 * cumulative buckets, text) happens when a scraper asks. Doubles rather than 32-bit integers, which would wrap after days of load.
 */

export const STATES = ['none', 'cold', 'prewarm', 'warm'] as const;
export type StateLabel = (typeof STATES)[number];

/** The part of a finished invocation that is measured. Times are µs; `state` null = it never reached a container. */
export interface ObservedInvocation {
  readonly errorClass: ErrorClass | null;
  readonly state: 'cold' | 'prewarm' | 'warm' | null;
  readonly queueUs: number;
  readonly startUs: number;
  readonly runUs: number;
  /** Absent = 0. */
  readonly overheadUs?: number;
  readonly throttledUs: number;
  readonly attempts: number;
}

/** Upper bounds double from 64 µs to 67 s; the last bucket is everything above. */
const LOWEST_EXPONENT = 6;
const HIGHEST_EXPONENT = 26;
export const BUCKETS = HIGHEST_EXPONENT - LOWEST_EXPONENT + 2;

/** Upper bound of a bucket in seconds, as Prometheus writes it. */
export function bucketBound(index: number): string {
  return index === BUCKETS - 1 ? '+Inf' : String(2 ** (LOWEST_EXPONENT + index) / 1e6);
}

/** Bucket of a duration in µs: the smallest whose bound is at or above it. */
export function bucketOf(us: number): number {
  if (us <= 2 ** LOWEST_EXPONENT) return 0;
  if (us > 2 ** HIGHEST_EXPONENT) return BUCKETS - 1;
  return 32 - Math.clz32(Math.ceil(us) - 1) - LOWEST_EXPONENT;
}

export class Histogram {
  readonly buckets = new Float64Array(BUCKETS);
  /** µs */
  sum = 0;

  observe(us: number): void {
    const index = bucketOf(us);
    this.buckets[index] = (this.buckets[index] as number) + 1;
    this.sum += us;
  }

  get count(): number {
    return this.buckets.reduce((total, value) => total + value, 0);
  }
}

const STATE_INDEX = { cold: 1, prewarm: 2, warm: 3 } as const;

export class FunctionSeries {
  readonly name: string;
  readonly version: string;
  /** By class code × state. */
  readonly ends = new Float64Array(ERROR_CLASSES.length * STATES.length);
  readonly queue = new Histogram();
  /** Only of invocations that had to wait for a container to be made: the cold ones are not to drown in zeros. */
  readonly start = new Histogram();
  readonly run = new Histogram();
  readonly overhead = new Histogram();
  retries = 0;
  /** µs, summed over the cores. */
  throttled = 0;
  /** In intervals that are over; µJ. */
  energyUj = 0;

  constructor(name: string, version: string) {
    this.name = name;
    this.version = version;
  }

  /** Whether anything was counted. */
  get seen(): boolean {
    return this.queue.count > 0;
  }

  observe(result: ObservedInvocation): void {
    const { state } = result;
    const at = errorCode(result.errorClass) * STATES.length + (state === null ? 0 : STATE_INDEX[state]);
    this.ends[at] = (this.ends[at] as number) + 1;
    if (result.attempts > 1) this.retries += result.attempts - 1;
    this.queue.observe(result.queueUs);
    if (state === null) return;
    if (result.startUs > 0) this.start.observe(result.startUs);
    this.run.observe(result.runUs);
    this.overhead.observe(result.overheadUs ?? 0);
    this.throttled += result.throttledUs;
  }
}
