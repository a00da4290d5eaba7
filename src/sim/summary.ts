import type { ContainerState, Engine, Invocation, InvocationSink, Outcome } from '../core/index.js';
import { type Distribution, distributionOf } from '../results/distribution.js';
import { Histogram } from '../results/histogram.js';
import type { MemoryLevels } from './memory-levels.js';

/** A simulation in numbers. The same input gives the same numbers, so nothing in here is about the machine that computed them. */
export interface SimulationSummary {
  readonly invocations: number;
  /** By outcome: `ok` and the error classes that occurred. */
  readonly outcomes: Readonly<Record<string, number>>;
  /** By what they found, of those that ran. */
  readonly states: Readonly<Record<ContainerState, number>>;
  /** Cold ones among those that ran; 0 … 1. */
  readonly coldRatio: number;
  /** Of those that the function itself has ended, well or with an error of its own; µs. Quantiles are within 0.4 %. */
  readonly queueUs: Distribution;
  readonly endToEndUs: Distribution;
  /** End to end divided by the function's warm time; within 0.4 %, in thousandths. */
  readonly slowdown: Distribution;
  readonly memory: {
    readonly runningMbSeconds: number;
    readonly cachedMbSeconds: number;
    readonly meanRunningMb: number;
    readonly meanCachedMb: number;
  };
  readonly containers: {
    readonly created: number;
    readonly failed: number;
    readonly evicted: number;
    readonly expired: number;
    readonly crashed: number;
  };
  /** null = it was not modelled. */
  readonly power: PowerSummary | null;
  /** From the beginning of the trace to the last answer; µs. */
  readonly simulatedUs: number;
  /** Arrivals, container events and deadlines. */
  readonly events: number;
}

/** Of the periods that were read to their end; W and J. */
export interface PowerSummary {
  readonly meanWatts: number;
  /** Greatest mean of a period. */
  readonly maxWatts: number;
  /** `measured` is the sum of the others. */
  readonly joules: {
    readonly measured: number;
    readonly invocations: number;
    readonly idle: number;
    readonly other: number;
  };
  /** Times that the head of a queue was held for the power cap, and those of them that lasted as long as they may. */
  readonly holds: number;
  readonly forced: number;
}

/** Where the answers of a simulation go: counts them, in bounded memory. */
export class Recorder implements InvocationSink {
  readonly #warmUs: readonly number[];
  readonly #outcomes = new Map<string, number>();
  readonly #states = { cold: 0, prewarm: 0, warm: 0 };
  readonly #queue = new Histogram();
  readonly #endToEnd = new Histogram();
  readonly #slowdown = new Histogram();
  #succeeded = 0;
  #lastEnd = 0;
  /** Told after each has been counted. */
  observer: ((invocation: Invocation, outcome: Outcome, now: number) => void) | null = null;
  readonly #now: () => number;

  /** `warmUs`: of each function on each device, at 2 × index and, for a GPU, 2 × index + 1. */
  constructor(warmUs: readonly number[], now: () => number) {
    this.#warmUs = warmUs;
    this.#now = now;
  }

  settled(invocation: Invocation, outcome: Outcome): void {
    const now = this.#now();
    const { errorClass } = outcome;
    this.#lastEnd = now;
    if (errorClass === null) this.#succeeded++;
    else this.#outcomes.set(errorClass, (this.#outcomes.get(errorClass) ?? 0) + 1);
    const { containerState } = invocation;
    if (containerState !== null) this.#states[containerState]++;
    if (errorClass === null || errorClass === 'user_error') {
      const endToEnd = now - invocation.enqueuedAt;
      const index = 2 * invocation.fn.index + (invocation.device === 'gpu' ? 1 : 0);
      this.#queue.add(invocation.dispatchedAt - invocation.enqueuedAt);
      this.#endToEnd.add(endToEnd);
      this.#slowdown.add(Math.round((1000 * endToEnd) / Math.max(1, this.#warmUs[index] as number)));
    }
    if (this.observer !== null) this.observer(invocation, outcome, now);
  }

  summary(engine: Engine, memory: MemoryLevels, beganAt: number, events: number): Omit<SimulationSummary, 'power'> {
    const { cold, prewarm, warm } = this.#states;
    const ran = cold + prewarm + warm;
    const { counters } = engine;
    const simulatedUs = Math.max(0, this.#lastEnd - beganAt);
    const { runningMbSeconds, cachedMbSeconds } = memory;
    const seconds = simulatedUs / 1e6;
    const outcomes: Record<string, number> = { ok: this.#succeeded };
    for (const errorClass of [...this.#outcomes.keys()].sort())
      outcomes[errorClass] = this.#outcomes.get(errorClass) as number;
    return {
      invocations: counters.invocations,
      outcomes,
      states: { cold, prewarm, warm },
      coldRatio: ran === 0 ? 0 : cold / ran,
      queueUs: distributionOf(this.#queue),
      endToEndUs: distributionOf(this.#endToEnd),
      slowdown: distributionOf(this.#slowdown, 1000),
      memory: {
        runningMbSeconds,
        cachedMbSeconds,
        meanRunningMb: seconds === 0 ? 0 : runningMbSeconds / seconds,
        meanCachedMb: seconds === 0 ? 0 : cachedMbSeconds / seconds,
      },
      containers: {
        created: counters.containersCreated,
        failed: counters.containersFailed,
        evicted: counters.containersEvicted,
        expired: counters.containersExpired,
        crashed: counters.containersCrashed,
      },
      simulatedUs,
      events,
    };
  }
}
