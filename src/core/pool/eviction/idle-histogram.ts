/**
 * How often idle times fell into each of equal bins. Adding one and finding a percentile are O(log bins): beside the counts there is a binary
 * indexed tree (Fenwick 1994) of their sums. 8 bytes a bin.
 */
export class IdleHistogram {
  total = 0;
  readonly #counts: Uint32Array;
  /** `#sums[i]` = the counts of the bins from i - (i & -i) to i - 1. */
  readonly #sums: Uint32Array;
  /** Greatest power of two that is not above the number of bins. */
  readonly #top: number;
  #squares = 0;

  constructor(bins: number) {
    this.#counts = new Uint32Array(bins);
    this.#sums = new Uint32Array(bins + 1);
    this.#top = 2 ** Math.floor(Math.log2(bins));
  }

  add(bin: number): void {
    const before = this.#counts[bin] as number;
    this.#counts[bin] = before + 1;
    this.#squares += 2 * before + 1;
    this.total++;
    for (let i = bin + 1; i < this.#sums.length; i += i & -i) (this.#sums[i] as number)++;
  }

  /** The first bin up to which at least this many percent of all lie. There is at least one. */
  percentile(percent: number): number {
    let missing = Math.max(1, Math.ceil((this.total * percent) / 100));
    let bin = 0;
    for (let step = this.#top; step > 0; step >>= 1) {
      const sum = this.#sums[bin + step];
      if (sum === undefined || sum >= missing) continue;
      bin += step;
      missing -= sum;
    }
    return bin;
  }

  /** Coefficient of variation of the counts over all bins: 0 = flat, √(bins - 1) = all in one bin. There is at least one. */
  variation(): number {
    return Math.sqrt((this.#counts.length * this.#squares) / this.total ** 2 - 1);
  }
}
