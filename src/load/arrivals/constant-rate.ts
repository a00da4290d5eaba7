import type { Rate } from './arrivals.js';
import { positive } from './checks.js';

/** Always so many arrivals a second. */
export class ConstantRate implements Rate {
  readonly #gapUs: number;

  constructor(perSecond: number) {
    this.#gapUs = 1e6 / positive('the rate', perSecond);
  }

  timeOf(points: number): number {
    return points * this.#gapUs;
  }
}
