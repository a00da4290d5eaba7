import type { Clock } from '../core/index.js';

/** Where simulated time begins; µs. Not 0, which means "not yet" in the engine. */
export const ORIGIN_US = 1_000_000;

/** Stands still until it is moved. */
export class VirtualClock implements Clock {
  time = ORIGIN_US;

  now(): number {
    return this.time;
  }
}
