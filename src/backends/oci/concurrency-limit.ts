/**
 * How many of one kind of work run at once, found by trying: the least time that the work ever took is what it takes alone, and whatever it takes longer is
 * waiting inside. With `running` at once and `least / taken` of that time spent on work, `running · (1 − least / taken)` wait. While few wait
 * the limit grows, when many do it shrinks: more at once would bring nothing but longer waiting (the idea of TCP Vegas,
 * Brakmo and Peterson 1995). Pure.
 */
const LOWEST = 2;
const HIGHEST = 64;
/** Waiting inside: fewer are too few to keep everything busy, more are too many. */
const FEW = 3;
const MANY = 6;
/** What was the least time once may never be reached again: it is forgotten by a hundredth at each end. */
const FORGET = 1.01;

export class ConcurrencyLimit {
  #limit: number;
  #leastUs = Number.POSITIVE_INFINITY;
  readonly #fixed: boolean;

  /** `fixed` = 0: adaptive, beginning with `initial`. */
  constructor(fixed: number, initial = 4) {
    this.#fixed = fixed > 0;
    this.#limit = this.#fixed ? fixed : initial;
  }

  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** One piece of work has ended; `running` with it when it did. */
  ended(tookUs: number, running: number): void {
    if (this.#fixed || tookUs <= 0) return;
    this.#leastUs = Math.min(this.#leastUs * FORGET, tookUs);
    const waiting = running * (1 - this.#leastUs / tookUs);
    // A limit that is not reached says nothing about a higher one.
    if (waiting < FEW && running >= this.limit) this.#limit = Math.min(HIGHEST, this.#limit + 1 / this.#limit);
    else if (waiting > MANY) this.#limit = Math.max(LOWEST, this.#limit - 1 / this.#limit);
  }
}
