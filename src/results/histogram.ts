/** 2^8 buckets for each power of two: a value is known to 1/256 of itself. */
const SUB_BITS = 8;
const SUB = 2 ** SUB_BITS;
/** Up to 2^53, in this many powers of two above the first 2 × SUB exact values. */
const BUCKETS = SUB * (53 - SUB_BITS + 1);
/** Room to begin with: many histograms never hold a value above a few milliseconds. */
const FIRST_BUCKETS = 4 * SUB;

/**
 * Counts of whole numbers from 0 to 2^53 in buckets that grow with the value, as HdrHistogram does it: any quantile of any number of values in at most 92 KiB, up to
 * 0.4 % too small. Mean, least and greatest are exact. Memory grows with the greatest value: 8 KiB up to 2 ms in µs, 38 KiB up to a minute.
 */
export class Histogram {
  count = 0;
  sum = 0;
  max = 0;
  #min = Number.POSITIVE_INFINITY;
  #counts = new Float64Array(FIRST_BUCKETS);

  get mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /** 0 when there are no values. */
  get min(): number {
    return this.count === 0 ? 0 : this.#min;
  }

  add(value: number): void {
    this.count++;
    this.sum += value;
    if (value > this.max) this.max = value;
    if (value < this.#min) this.#min = value;
    this.#count(bucketOf(value), 1);
  }

  /** Adds all values of another, each multiplied by `factor`: exact but for the buckets, in which it then may be off by 0.8 %. */
  merge(other: Histogram, factor = 1): void {
    if (other.count === 0) return;
    this.count += other.count;
    this.sum += other.sum * factor;
    this.max = Math.max(this.max, Math.round(other.max * factor));
    this.#min = Math.min(this.#min, Math.round(other.#min * factor));
    for (const { bucket, least, count } of other.#filled()) {
      this.#count(factor === 1 ? bucket : bucketOf(Math.round(least * factor)), count);
    }
  }

  /** The value that a fraction `q` of all values does not exceed (nearest rank); 0 when there are none. */
  quantile(q: number): number {
    const rank = Math.max(1, Math.ceil(q * this.count));
    let seen = 0;
    for (const { least, count } of this.#filled()) {
      seen += count;
      if (seen >= rank) return least;
    }
    return 0;
  }

  /** The distribution's steps: the least value of each bucket that holds any, with the number of values up to and including that bucket. */
  steps(): { readonly value: number; readonly upTo: number }[] {
    let upTo = 0;
    return [...this.#filled()].map(({ least, count }) => {
      upTo += count;
      return { value: least, upTo };
    });
  }

  *#filled(): Generator<{ bucket: number; least: number; count: number }> {
    const counts = this.#counts;
    for (let bucket = 0; bucket < counts.length; bucket++) {
      const count = counts[bucket] as number;
      if (count > 0) yield { bucket, least: leastOf(bucket), count };
    }
  }

  #count(bucket: number, count: number): void {
    if (bucket >= this.#counts.length) {
      const larger = new Float64Array(Math.min(BUCKETS, Math.max(bucket + 1, 2 * this.#counts.length)));
      larger.set(this.#counts);
      this.#counts = larger;
    }
    this.#counts[bucket] = (this.#counts[bucket] as number) + count;
  }
}

function bucketOf(value: number): number {
  if (value < 2 * SUB) return value;
  // The place of its highest bit; beyond 32 bits by halves, since bit operations end there.
  const high = Math.floor(value / 2 ** 32);
  const exponent = high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(value);
  const shift = exponent - SUB_BITS;
  return shift * SUB + Math.floor(value / 2 ** shift);
}

function leastOf(bucket: number): number {
  if (bucket < 2 * SUB) return bucket;
  const shift = Math.floor(bucket / SUB) - 1;
  return (bucket - shift * SUB) * 2 ** shift;
}
