import type { Rate } from './arrivals.js';
import { positive } from './checks.js';

/** Bursts: `perSecond` for `onMs`, nothing for `offMs`, again and again. The mean rate is `perSecond × on / (on + off)`. */
export class OnOffRate implements Rate {
  readonly #gapUs: number;
  readonly #onUs: number;
  readonly #offUs: number;

  constructor(perSecond: number, onMs: number, offMs: number) {
    this.#gapUs = 1e6 / positive('the rate', perSecond);
    this.#onUs = positive('the length of a burst', onMs) * 1000;
    this.#offUs = positive('the length of a pause', offMs) * 1000;
  }

  timeOf(points: number): number {
    const on = points * this.#gapUs;
    return on + Math.floor(on / this.#onUs) * this.#offUs;
  }
}
