import { IluvatarError } from '../../core/errors.js';
import type { Rate } from './arrivals.js';
import { notNegative, positive } from './checks.js';

/**
 * From `from` to `to` arrivals a second, in a straight line over `overMs`, and `to` from then on. The number expected by t is from·t + (to − from)·t² / 2·over, of which this
 * is the inverse.
 */
export class RampRate implements Rate {
  readonly #from: number;
  readonly #to: number;
  readonly #overUs: number;
  readonly #slope: number;
  /** Arrivals expected in the ramp. */
  readonly #within: number;

  constructor(from: number, to: number, overMs: number) {
    this.#from = notNegative('the rate at the beginning', from) / 1e6;
    this.#to = notNegative('the rate at the end', to) / 1e6;
    this.#overUs = positive('the length of the ramp', overMs) * 1000;
    if (from === 0 && to === 0) throw new IluvatarError('invalid', 'a ramp from 0 to 0 has no arrivals');
    this.#slope = (this.#to - this.#from) / this.#overUs;
    this.#within = ((this.#from + this.#to) / 2) * this.#overUs;
  }

  timeOf(points: number): number {
    // A ramp from 0 has its first arrival at its beginning, as every other rate.
    if (points === 0) return 0;
    const beyond = points - this.#within;
    if (beyond >= 0) return this.#overUs + (beyond === 0 ? 0 : beyond / this.#to);
    // The root of the quadratic in the form that loses nothing when the slope is next to 0 (Press et al., Numerical Recipes, §5.6).
    return (2 * points) / (this.#from + Math.sqrt(this.#from ** 2 + 2 * this.#slope * points));
  }
}
