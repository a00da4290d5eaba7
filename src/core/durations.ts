import type { Random } from './random.js';

/** Draws of durations, shared by everything that models time. Whole µs. */

/** Around a mean: exp(μ + σz) with μ = ln(mean) − σ²/2, so that the mean stays what it is. `sigma` of the logarithm: 0.25 varies by about a quarter. */
export function logNormalUs(mean: number, sigma: number, random: Random): number {
  if (mean === 0) return 0;
  // Box and Muller (1958). 1 − u, since the logarithm of 0 is none.
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return Math.round(mean * Math.exp(sigma * normal - (sigma * sigma) / 2));
}

/** Place of one of so many, each as likely as the others. */
export function anyOf(length: number, random: Random): number {
  return Math.floor(random() * length);
}
