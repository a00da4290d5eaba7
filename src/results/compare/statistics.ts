import type { Blocks } from './blocks.js';

/** What two sides are compared by; all computed from how often each block was drawn. */
export interface Statistics {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  /** Share that failed, and share of cold ones among those of which it is known; NaN = of none. */
  readonly failed: number;
  readonly cold: number;
  /** Successful ones per second; NaN = it is not known when they happened. */
  readonly throughput: number;
}

export type Statistic = keyof Statistics;

export interface StatisticFacts {
  readonly title: string;
  readonly kind: 'time' | 'share' | 'rate';
  /** What a change for the better is. */
  readonly better: 'less' | 'more';
  /** Of a quantile: the share of values beyond it. */
  readonly tail?: number;
}

export const STATISTICS: Readonly<Record<Statistic, StatisticFacts>> = {
  mean: { title: 'mean latency', kind: 'time', better: 'less' },
  p50: { title: 'p50 latency', kind: 'time', better: 'less', tail: 0.5 },
  p90: { title: 'p90 latency', kind: 'time', better: 'less', tail: 0.1 },
  p99: { title: 'p99 latency', kind: 'time', better: 'less', tail: 0.01 },
  p999: { title: 'p99.9 latency', kind: 'time', better: 'less', tail: 0.001 },
  failed: { title: 'failed', kind: 'share', better: 'less' },
  cold: { title: 'cold starts', kind: 'share', better: 'less' },
  throughput: { title: 'successful per second', kind: 'rate', better: 'more' },
};

const QUANTILES = ['p50', 'p90', 'p99', 'p999'] as const;

/** One side's runs over one list of values, so that their blocks can be put together. */
export class Side {
  readonly runs: readonly Blocks[];
  readonly values: Float64Array;
  /** Of each run, of its values: their places in those of the side. */
  readonly #places: readonly Int32Array[];
  readonly #weights: Float64Array;

  constructor(runs: readonly Blocks[]) {
    this.runs = runs;
    const values = [...new Set(runs.flatMap((run) => run.values))].sort((a, b) => a - b);
    const places = new Map(values.map((value, i) => [value, i]));
    this.values = Float64Array.from(values);
    this.#places = runs.map((run) => Int32Array.from(run.values, (value) => places.get(value) as number));
    this.#weights = new Float64Array(values.length);
  }

  /** Of everything as it was. */
  observed(): Statistics {
    return this.statistics(this.runs.flatMap(({ blocks }, run) => blocks.map((_, block) => [run, block] as const)));
  }

  /** Of these blocks, any of them as often as it is named. */
  statistics(drawn: Iterable<readonly [run: number, block: number]>): Statistics {
    const weights = this.weights(drawn);
    let [invocations, ok, stated, cold, sum, span] = [0, 0, 0, 0, 0, 0];
    for (const [run, at] of drawn) {
      const { blocks } = this.runs[run] as Blocks;
      const block = blocks[at] as Blocks['blocks'][number];
      invocations += block.invocations;
      ok += block.ok;
      stated += block.stated;
      cold += block.cold;
      sum += block.latencySum;
      span += block.span;
    }
    const count = weights.reduce((total, weight) => total + weight, 0);
    const timed = this.runs.every((run) => run.timed);
    return {
      mean: count === 0 ? Number.NaN : sum / count,
      ...this.#quantiles(weights, count),
      failed: invocations === 0 ? Number.NaN : (invocations - ok) / invocations,
      cold: stated === 0 ? Number.NaN : cold / stated,
      throughput: timed && span > 0 ? (ok * 1e6) / span : Number.NaN,
    };
  }

  /** How often each value occurs in these blocks; the same array each time. */
  weights(drawn: Iterable<readonly [run: number, block: number]>): Float64Array {
    const weights = this.#weights.fill(0);
    for (const [run, at] of drawn) {
      const { places, counts } = (this.runs[run] as Blocks).blocks[at] as Blocks['blocks'][number];
      const own = this.#places[run] as Int32Array;
      for (let i = 0; i < places.length; i++) {
        const place = own[places[i] as number] as number;
        weights[place] = (weights[place] as number) + (counts[i] as number);
      }
    }
    return weights;
  }

  #quantiles(weights: Float64Array, count: number): Pick<Statistics, (typeof QUANTILES)[number]> {
    const found = { p50: Number.NaN, p90: Number.NaN, p99: Number.NaN, p999: Number.NaN };
    let next = 0;
    let seen = 0;
    for (let i = 0; i < weights.length && next < QUANTILES.length; i++) {
      seen += weights[i] as number;
      while (next < QUANTILES.length) {
        const name = QUANTILES[next] as (typeof QUANTILES)[number];
        if (seen < Math.max(1, Math.ceil((1 - (STATISTICS[name].tail as number)) * count))) break;
        found[name] = this.values[i] as number;
        next++;
      }
    }
    return found;
  }
}

/**
 * How often an invocation of `b` takes longer than one of `a`, less how often it takes less: Cliff's delta, −1 … 1, 0 = neither. It says how far two whole distributions lie apart,
 * whatever their unit, and is not moved by a few extreme values (N. Cliff 1993, "Dominance statistics", Psychological Bulletin 114).
 */
export function cliffsDelta(a: Side, b: Side): number {
  const everything = (side: Side): Float64Array =>
    side.weights(side.runs.flatMap(({ blocks }, run) => blocks.map((_, block) => [run, block] as const)));
  const [of, against] = [everything(a), everything(b)];
  const countA = of.reduce((sum, weight) => sum + weight, 0);
  const countB = against.reduce((sum, weight) => sum + weight, 0);
  if (countA === 0 || countB === 0) return Number.NaN;
  let [below, at, dominance] = [0, 0, 0];
  for (let i = 0; i < against.length; i++) {
    const value = b.values[i] as number;
    while (at < of.length && (a.values[at] as number) < value) below += of[at++] as number;
    const equal = at < of.length && a.values[at] === value ? (of[at] as number) : 0;
    dominance += (against[i] as number) * (below - (countA - below - equal));
  }
  return dominance / (countA * countB);
}
