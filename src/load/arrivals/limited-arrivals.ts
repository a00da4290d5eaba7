import { BatchBuilder } from '../../traces/batch-builder.js';
import type { ArrivalBatch } from '../../traces/trace-source.js';
import type { Arrivals } from './arrivals.js';

export interface ArrivalLimits {
  /** Only those before this; µs. */
  readonly untilUs: number;
  /** Only the first so many. */
  readonly count: number;
  /** Of `shares`, which: every `shares`-th arrival, beginning with number `share`. The shares together are all of them. */
  readonly share: number;
  readonly shares: number;
}

/** A part of other arrivals: their beginning, and of that what falls to one of several processes. */
export class LimitedArrivals implements Arrivals {
  readonly #arrivals: Arrivals;
  readonly #limits: ArrivalLimits;

  constructor(arrivals: Arrivals, limits: ArrivalLimits) {
    this.#arrivals = arrivals;
    this.#limits = limits;
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const { untilUs, count, share, shares } = this.#limits;
    const mine = new BatchBuilder();
    let number = 0;
    reading: for await (const { count: size, atUs, fn } of this.#arrivals.arrivals()) {
      for (let i = 0; i < size; i++) {
        if (number >= count || (atUs[i] as number) >= untilUs) break reading;
        if (number++ % shares !== share) continue;
        mine.add(atUs[i] as number, fn[i] as number);
        if (!mine.full) continue;
        yield mine;
        mine.count = 0;
      }
    }
    if (mine.count > 0) yield mine;
  }
}
