import type { TraceFunction } from '../../traces/trace-source.js';
import { ConcurrencyMeter } from './concurrency-meter.js';

/** What a trace is like, of all its arrivals in their order. Memory is that of the functions and of what runs at once. */

const US_PER_S = 1e6;
/** Functions that the summary names. */
const NAMED = 10;

export interface TraceSummary {
  readonly functions: number;
  /** That are called at all. */
  readonly called: number;
  readonly invocations: number;
  /** From the beginning to the end that was asked for, or to the last arrival; s. */
  readonly lengthS: number;
  /** Invocations a second. */
  readonly rate: { readonly mean: number; readonly peak: number };
  /** Coefficients of variation of the gaps between arrivals: of all, and the median of the functions called three times or more (0 = regular, 1 = Poisson). */
  readonly gapCv: { readonly all: number; readonly medianFunction: number };
  /** Shares of the invocations that the most popular functions have: one function, a hundredth and a tenth of them. */
  readonly popularity: { readonly first: number; readonly hundredth: number; readonly tenth: number };
  readonly warmMs: Quartiles;
  readonly memoryMb: Quartiles;
  /** Little's law, L = λ·W: each function's rate × its warm time, summed, are the slots that are busy on average. */
  readonly expected: {
    readonly busySlots: number;
    /** Were each run cold. */
    readonly busySlotsCold: number;
    /** MiB of running containers on average. */
    readonly runningMb: number;
    /** Most slots, and MiB, at once, were each run to begin when it arrives (and warm). */
    readonly peakSlots: number;
    readonly peakRunningMb: number;
    /** MiB of one container for each function that is called. */
    readonly oneEachMb: number;
  };
  readonly mostCalled: readonly {
    readonly name: string;
    readonly invocations: number;
    readonly meanIatMs: number | null;
    readonly gapCv: number | null;
    readonly busySlots: number;
  }[];
}

export interface Quartiles {
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly max: number;
}

/** Mean and variance of gaps, by Welford's recurrence (1962): one pass, and exact for gaps that are nearly alike. */
class Gaps {
  count = 0;
  lastUs = -1;
  #mean = 0;
  #squares = 0;

  arrived(atUs: number): void {
    if (this.lastUs >= 0) {
      const gap = atUs - this.lastUs;
      const off = gap - this.#mean;
      this.#mean += off / ++this.count;
      this.#squares += off * (gap - this.#mean);
    }
    this.lastUs = atUs;
  }

  get meanUs(): number {
    return this.#mean;
  }

  get cv(): number {
    return this.count < 2 || this.#mean === 0 ? 0 : Math.sqrt(this.#squares / this.count) / this.#mean;
  }
}

export class TraceAnalysis {
  readonly #functions: readonly TraceFunction[];
  readonly #counts: Float64Array;
  readonly #gaps: readonly Gaps[];
  readonly #all = new Gaps();
  readonly #concurrency = new ConcurrencyMeter();
  #invocations = 0;
  #second = -1;
  #inSecond = 0;
  #peak = 0;

  constructor(functions: readonly TraceFunction[]) {
    this.#functions = functions;
    this.#counts = new Float64Array(functions.length);
    this.#gaps = functions.map(() => new Gaps());
  }

  get invocations(): number {
    return this.#invocations;
  }

  /** Of the last arrival; µs. */
  get lastUs(): number {
    return Math.max(0, this.#all.lastUs);
  }

  countOf(fn: number): number {
    return this.#counts[fn] as number;
  }

  arrived(atUs: number, fn: number): void {
    this.#invocations++;
    this.#counts[fn] = (this.#counts[fn] as number) + 1;
    (this.#gaps[fn] as Gaps).arrived(atUs);
    this.#all.arrived(atUs);
    const second = Math.floor(atUs / US_PER_S);
    if (second !== this.#second) {
      this.#second = second;
      this.#inSecond = 0;
    }
    this.#peak = Math.max(this.#peak, ++this.#inSecond);
    const { warmUs, memoryMb } = this.#functions[fn] as TraceFunction;
    this.#concurrency.began(atUs, warmUs, memoryMb);
  }

  /** Mean gap of a function; ms, null = it has not been called twice. */
  meanIatMs(fn: number): number | null {
    const { count, meanUs } = this.#gaps[fn] as Gaps;
    return count === 0 ? null : meanUs / 1000;
  }

  /** `lengthUs`: of the time that the arrivals are spread over; the last arrival when absent. */
  summary(lengthUs = this.lastUs): TraceSummary {
    const length = Math.max(1, lengthUs);
    const called = this.#functions.flatMap((fn, index) =>
      this.countOf(index) > 0 ? [{ fn, index, count: this.countOf(index) }] : [],
    );
    const total = (of: (fn: TraceFunction) => number): number =>
      called.reduce((sum, { fn, count }) => sum + count * of(fn), 0) / length;
    const sorted = called.toSorted((a, b) => b.count - a.count || a.index - b.index);
    const share = (functions: number): number =>
      sorted.slice(0, Math.max(1, Math.round(functions))).reduce((sum, { count }) => sum + count, 0) /
      Math.max(1, this.#invocations);
    const varied = called.filter(({ count }) => count > 2).map(({ index }) => (this.#gaps[index] as Gaps).cv);
    return {
      functions: this.#functions.length,
      called: called.length,
      invocations: this.#invocations,
      lengthS: length / US_PER_S,
      rate: { mean: (this.#invocations * US_PER_S) / length, peak: this.#peak },
      gapCv: { all: this.#all.cv, medianFunction: quantile(varied, 0.5) },
      popularity: { first: share(1), hundredth: share(called.length / 100), tenth: share(called.length / 10) },
      warmMs: quartiles(called.map(({ fn }) => fn.warmUs / 1000)),
      memoryMb: quartiles(called.map(({ fn }) => fn.memoryMb)),
      expected: {
        busySlots: total(({ warmUs }) => warmUs),
        busySlotsCold: total(({ coldUs }) => coldUs),
        runningMb: total(({ warmUs, memoryMb }) => warmUs * memoryMb),
        peakSlots: this.#concurrency.peak,
        peakRunningMb: this.#concurrency.peakWeight,
        oneEachMb: called.reduce((sum, { fn }) => sum + fn.memoryMb, 0),
      },
      mostCalled: sorted.slice(0, NAMED).map(({ fn, index, count }) => ({
        name: fn.name,
        invocations: count,
        meanIatMs: this.meanIatMs(index),
        gapCv: count > 2 ? (this.#gaps[index] as Gaps).cv : null,
        busySlots: (count * fn.warmUs) / length,
      })),
    };
  }
}

function quartiles(values: readonly number[]): Quartiles {
  return {
    p25: quantile(values, 0.25),
    p50: quantile(values, 0.5),
    p75: quantile(values, 0.75),
    max: values.reduce((a, b) => Math.max(a, b), 0),
  };
}

/** Nearest rank; 0 when there are none. */
function quantile(values: readonly number[], q: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
