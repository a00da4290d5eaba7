import type { Random } from '../../core/index.js';
import type { Spacing } from './arrivals.js';

/** One point every unit. Counted, not added up: nothing drifts. */
export class EvenSpacing implements Spacing {
  #points = -1;

  next(): number {
    return ++this.#points;
  }
}

/** A Poisson process of rate 1: gaps are exponential and know nothing of each other. */
export class PoissonSpacing implements Spacing {
  readonly #random: Random;
  #at = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  next(): number {
    // 1 − u, since the logarithm of 0 is none.
    this.#at -= Math.log(1 - this.#random());
    return this.#at;
  }
}
