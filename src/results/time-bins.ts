import { Histogram } from './histogram.js';
import { Counts, isAnswered, type ResultRow } from './measures.js';

/** What was meant to be sent in one stretch of time. */
export interface TimeBin {
  readonly counts: Counts;
  /** As in the summary; µs. */
  readonly latency: Histogram;
}

const FIRST_WIDTH_US = 1000;

/**
 * Invocations by when they were meant to be sent, in stretches of equal length, from at least half of `most` to `most` of them: where a run lasts longer than they reach, each two become one.
 * So memory is bounded, and nobody has to know beforehand how long a run is.
 */
export class TimeBins {
  readonly #timed: boolean;
  readonly #most: number;
  readonly #fixed: boolean;
  #widthUs: number;
  #rows = 0;
  #folds = 0;
  #first = Number.POSITIVE_INFINITY;
  #last = 0;
  #bins: (TimeBin | undefined)[] = [];

  /** `widthUs`: of every stretch; then they become as many as it takes, up to `most`, and only longer ones beyond that. `timed` false: µs are rows, in their order. */
  constructor(most: number, { timed = true, widthUs }: { timed?: boolean; widthUs?: number } = {}) {
    this.#most = most;
    this.#timed = timed;
    this.#fixed = widthUs !== undefined;
    this.#widthUs = widthUs ?? (timed ? FIRST_WIDTH_US : 1);
  }

  add(row: Readonly<ResultRow>): void {
    const at = this.#timed ? row.arrivalUs : this.#rows++;
    if (at < this.#first) this.#first = at;
    if (at > this.#last) this.#last = at;
    while (Math.floor(at / this.#widthUs) >= this.#most) this.#fold();
    const index = Math.floor(at / this.#widthUs);
    let bin = this.#bins[index];
    if (bin === undefined) {
      bin = emptyBin();
      this.#bins[index] = bin;
    }
    bin.counts.add(row);
    if (isAnswered(row)) bin.latency.add(Math.max(0, row.endUs - row.arrivalUs));
  }

  get widthUs(): number {
    return this.#widthUs;
  }

  /** The length that was asked for was too short for so long a run. */
  get coarsened(): boolean {
    return this.#fixed && this.#folds > 0;
  }

  /**
   * From the first that has any to the last; those between in which nothing happened are there, and empty. The first begins with its first invocation, and the last ends with its
   * last one: a rate over a whole stretch that was half there would be too low.
   */
  bins(): { readonly beginUs: number; readonly endUs: number; readonly bin: TimeBin }[] {
    const first = this.#bins.findIndex((bin) => bin !== undefined);
    if (first < 0) return [];
    return Array.from({ length: this.#bins.length - first }, (_, i) => ({
      beginUs: Math.max(this.#first, (first + i) * this.#widthUs),
      endUs: Math.min(this.#last, (first + i + 1) * this.#widthUs),
      bin: this.#bins[first + i] ?? emptyBin(),
    }));
  }

  #fold(): void {
    this.#folds++;
    this.#widthUs *= 2;
    const half = Math.ceil(this.#bins.length / 2);
    this.#bins = Array.from({ length: half }, (_, i) => merged(this.#bins[2 * i], this.#bins[2 * i + 1]));
  }
}

function merged(a: TimeBin | undefined, b: TimeBin | undefined): TimeBin | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  a.counts.merge(b.counts);
  a.latency.merge(b.latency);
  return a;
}

function emptyBin(): TimeBin {
  return { counts: new Counts(), latency: new Histogram() };
}
