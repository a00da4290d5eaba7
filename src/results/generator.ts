import type { DetailedDistribution } from './distribution.js';

/** What the driver of a load knows of itself, beside the rows; what is absent is not known. */
export interface GeneratorFacts {
  /** The busiest of its processes' event loops, 0 … 1 (`performance.eventLoopUtilization`). */
  readonly eventLoopUtilisation?: number;
  /** Invocations that were held back, or not sent, because so many were in flight already. */
  readonly heldBack?: number;
  readonly processes?: number;
}

export interface GeneratorSummary {
  readonly lagUs: DetailedDistribution;
  /** Never sent: the run ended before. */
  readonly unsent: number;
  readonly eventLoopUtilisation: number | null;
  readonly heldBack: number | null;
  readonly processes: number | null;
  /** Why the numbers may say more about the generator than about its target, for people; empty = nothing speaks for it. */
  readonly bottlenecks: readonly string[];
}

/** A hundredth of the invocations later than this is worth a word: it is what the load generator promises for itself. */
const LAG_P99_US = 5000;
/** Above, the loop has no time left to notice that an answer has come when it comes. */
const BUSY = 0.9;

export function generatorSummary(
  lagUs: DetailedDistribution,
  unsent: number,
  { eventLoopUtilisation, heldBack, processes }: GeneratorFacts,
): GeneratorSummary {
  const bottlenecks: string[] = [];
  if (lagUs.p99 > LAG_P99_US) {
    bottlenecks.push(`a hundredth was sent more than ${(lagUs.p99 / 1000).toFixed(1)} ms late`);
  }
  if (eventLoopUtilisation !== undefined && eventLoopUtilisation > BUSY) {
    bottlenecks.push(`its event loop was busy ${Math.round(100 * eventLoopUtilisation)} % of the time`);
  }
  if (heldBack !== undefined && heldBack > 0) {
    bottlenecks.push(`${heldBack} were held back by the limit of invocations in flight`);
  }
  return {
    lagUs,
    unsent,
    eventLoopUtilisation: eventLoopUtilisation ?? null,
    heldBack: heldBack ?? null,
    processes: processes ?? null,
    bottlenecks,
  };
}
