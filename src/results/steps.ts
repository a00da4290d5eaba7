import { type DetailedDistribution, detailedDistributionOf } from './distribution.js';
import { Histogram } from './histogram.js';
import { Counts, isAnswered, type ResultRow } from './measures.js';

/** One step of a scaling run: as many closed-loop clients at once. */
export interface StepSummary {
  readonly clients: number;
  readonly invocations: number;
  readonly failed: number;
  readonly coldRatio: number | null;
  /** From its first sending to its last answer. */
  readonly seconds: number;
  /** Successful ones per second of that. */
  readonly throughput: number;
  readonly latencyUs: DetailedDistribution;
}

interface Step {
  readonly counts: Counts;
  readonly latency: Histogram;
  first: number;
  end: number;
}

/** Steps of a run: few, so that each has its numbers. */
export class StepTotals {
  readonly #steps = new Map<number, Step>();

  add(row: Readonly<ResultRow>): void {
    const { clients = -1, sentUs = -1, arrivalUs, endUs } = row;
    if (clients < 0) return;
    let step = this.#steps.get(clients);
    if (step === undefined) {
      step = { counts: new Counts(), latency: new Histogram(), first: Number.POSITIVE_INFINITY, end: 0 };
      this.#steps.set(clients, step);
    }
    step.counts.add(row);
    step.first = Math.min(step.first, sentUs >= 0 ? sentUs : arrivalUs);
    step.end = Math.max(step.end, endUs);
    if (isAnswered(row)) step.latency.add(Math.max(0, endUs - arrivalUs));
  }

  /** By number of clients. */
  summaries(): StepSummary[] {
    return [...this.#steps]
      .sort(([a], [b]) => a - b)
      .map(([clients, { counts, latency, first, end }]) => {
        const seconds = Math.max(0, end - first) / 1e6;
        return {
          clients,
          invocations: counts.invocations,
          failed: counts.invocations - counts.ok,
          coldRatio: counts.coldRatio,
          seconds,
          throughput: seconds === 0 ? 0 : counts.ok / seconds,
          latencyUs: detailedDistributionOf(latency),
        };
      });
  }
}
