import { type Random, seededRandom } from '../../core/index.js';
import type { TraceSource } from '../../traces/trace-source.js';
import type { Spacing } from '../arrivals/arrivals.js';

/** Gaps kept of one function: enough for a distribution, and 8 KiB. */
const KEPT = 1024;
const RESERVOIR_STREAM = 2;

/**
 * The gaps between a function's arrivals, as an empirical distribution (ECDF). Of more than 1,024 a uniform sample is kept (Vitter, "Random Sampling with a Reservoir",
 * 1985, algorithm R), while their mean stays exact.
 */
export class GapDistribution {
  count = 0;
  #sumUs = 0;
  readonly #kept: number[] = [];
  #sorted: Float64Array | null = null;

  add(gapUs: number, random: Random): void {
    this.#sumUs += gapUs;
    this.#sorted = null;
    if (this.count++ < KEPT) {
      this.#kept.push(gapUs);
      return;
    }
    const place = Math.floor(random() * this.count);
    if (place < KEPT) this.#kept[place] = gapUs;
  }

  get meanUs(): number {
    return this.count === 0 ? 0 : this.#sumUs / this.count;
  }

  /** The value at or below which a fraction `q` of the gaps lies, 0 ≤ q < 1. */
  quantile(q: number): number {
    this.#sorted ??= Float64Array.from(this.#kept).sort();
    return this.#sorted[Math.floor(q * this.#sorted.length)] as number;
  }
}

/**
 * The gaps of each function of a trace. In the Azure layout, which knows counts of minutes only, c calls of a minute are a c-th of a minute apart (`spread: even`), and
 * the gap between two minutes with calls is the time between these.
 */
export async function readGaps(source: TraceSource, seed: number): Promise<GapDistribution[]> {
  const random = seededRandom(seed, RESERVOIR_STREAM);
  const gaps = source.functions.map(() => new GapDistribution());
  const lastUs = new Float64Array(gaps.length).fill(-1);
  for await (const { count, atUs, fn } of source.arrivals()) {
    for (let i = 0; i < count; i++) {
      const which = fn[i] as number;
      const at = atUs[i] as number;
      const last = lastUs[which] as number;
      if (last >= 0) (gaps[which] as GapDistribution).add(at - last, random);
      lastUs[which] = at;
    }
  }
  return gaps;
}

/** Gaps drawn one by one from a distribution, as points of which one comes a mean gap: the gaps' shape and burstiness stay, their order is lost. */
export class EmpiricalSpacing implements Spacing {
  readonly #gaps: GapDistribution;
  readonly #random: Random;
  #atUs: number;

  constructor(gaps: GapDistribution, random: Random) {
    this.#gaps = gaps;
    this.#random = random;
    // Begins somewhere within a gap: all functions would begin together otherwise.
    this.#atUs = -gaps.quantile(random()) * random();
  }

  next(): number {
    do {
      this.#atUs += this.#gaps.quantile(this.#random());
    } while (this.#atUs < 0);
    return this.#atUs / this.#gaps.meanUs;
  }
}
