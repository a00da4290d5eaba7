import { type Random, seededRandom } from '../../core/index.js';

/** Choices of a seed. */
export class Draw {
  readonly #random: Random;

  constructor(seed: number, stream: number) {
    this.#random = seededRandom(seed, stream);
  }

  /** Below 1. */
  fraction(): number {
    return this.#random();
  }

  /** From `least` to `greatest`, both included. */
  whole(least: number, greatest: number): number {
    return least + Math.floor(this.#random() * (greatest - least + 1));
  }

  chance(probability: number): boolean {
    return this.#random() < probability;
  }

  of<T>(items: readonly T[]): T {
    return items[Math.floor(this.#random() * items.length)] as T;
  }

  /** Each order of magnitude between `least` and `greatest` is as likely as the others. */
  magnitude(least: number, greatest: number): number {
    return least * Math.exp(this.#random() * Math.log(greatest / least));
  }

  /** Time to the next of events that come at random, so far apart on average; whole. */
  gap(mean: number): number {
    return Math.round(-Math.log(1 - this.#random()) * mean);
  }
}
