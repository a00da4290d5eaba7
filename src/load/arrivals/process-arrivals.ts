import { BatchBuilder } from '../../traces/batch-builder.js';
import type { ArrivalBatch } from '../../traces/trace-source.js';
import type { Arrivals, Rate, Spacing } from './arrivals.js';

export interface ProcessOptions {
  readonly rate: Rate;
  /** A new one each time: arrivals are the same each time they are asked for. */
  readonly spacing: () => Spacing;
  /** The last arrival is before this; µs. Infinity = no end. */
  readonly untilUs: number;
  /** At most so many; Infinity = no end. */
  readonly count: number;
}

/** Arrivals of one function, number 0, as a process makes them. */
export class ProcessArrivals implements Arrivals {
  readonly #options: ProcessOptions;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const { rate, untilUs, count } = this.#options;
    const spacing = this.#options.spacing();
    const batch = new BatchBuilder();
    for (let i = 0; i < count; i++) {
      const atUs = Math.round(rate.timeOf(spacing.next()));
      if (!(atUs < untilUs) || !Number.isSafeInteger(atUs)) break;
      batch.add(atUs, 0);
      if (!batch.full) continue;
      yield batch;
      batch.count = 0;
    }
    if (batch.count > 0) yield batch;
  }
}
