import type { ArrivalBatch } from '../../traces/trace-source.js';

/**
 * When invocations are meant to be sent: any trace, and what a process of arrivals makes. From the beginning, each time it is called, and the same each time.
 */
export interface Arrivals {
  arrivals(): AsyncIterable<ArrivalBatch>;
}

/**
 * Points in operational time (Çınlar, "Introduction to Stochastic Processes", 1975): one a unit on average. A rate that changes with time is a stretching of that time, so that
 * every spacing goes with every rate.
 */
export interface Spacing {
  /** The next point; ascending. */
  next(): number;
}

/** How many arrivals are expected up to a time, the other way round. */
export interface Rate {
  /** The time in µs at which `points` arrivals are expected to have come; Infinity = never. Ascends with `points`. */
  timeOf(points: number): number;
}
