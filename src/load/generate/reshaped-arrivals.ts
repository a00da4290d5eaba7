import { seededRandom } from '../../core/index.js';
import { BatchBuilder } from '../../traces/batch-builder.js';
import type { ArrivalBatch } from '../../traces/trace-source.js';
import type { Arrivals } from '../arrivals/arrivals.js';

/** In this order: a part of the trace, of that some of the invocations, of these the times divided. */
export interface Reshaping {
  /** Begin there; µs of the trace. */
  readonly fromUs: number;
  /** The last arrival is before this; µs of what is made. Infinity = to the end. */
  readonly durationUs: number;
  /** Each invocation stays with this chance, 0 to 1: fewer, as far apart from each other as chance has it (thinning). */
  readonly keep: number;
  /** So many times as fast: all times are divided by it. */
  readonly speed: number;
  readonly seed: number;
}

const THINNING_STREAM = 3;

export class ReshapedArrivals implements Arrivals {
  readonly #arrivals: Arrivals;
  /** By the function's number in what is read: its number in what is made; -1 = left out. */
  readonly #places: Int32Array;
  readonly #reshaping: Reshaping;

  constructor(arrivals: Arrivals, places: Int32Array, reshaping: Reshaping) {
    this.#arrivals = arrivals;
    this.#places = places;
    this.#reshaping = reshaping;
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const { fromUs, durationUs, keep, speed, seed } = this.#reshaping;
    const random = seededRandom(seed, THINNING_STREAM);
    const made = new BatchBuilder();
    reading: for await (const { count, atUs, fn } of this.#arrivals.arrivals()) {
      for (let i = 0; i < count; i++) {
        const place = this.#places[fn[i] as number] as number;
        const at = atUs[i] as number;
        if (place < 0 || at < fromUs) continue;
        const newAt = Math.floor((at - fromUs) / speed);
        if (newAt >= durationUs) break reading;
        if (keep < 1 && random() >= keep) continue;
        made.add(newAt, place);
        if (!made.full) continue;
        yield made;
        made.count = 0;
      }
    }
    if (made.count > 0) yield made;
  }
}
