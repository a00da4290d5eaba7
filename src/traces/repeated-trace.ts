import { IluvatarError } from '../core/index.js';
import { BatchBuilder } from './batch-builder.js';
import type { ArrivalBatch, TraceFunction, TraceSource } from './trace-source.js';

/**
 * A trace played `times` times, one after the other, read again each time. The next begins one mean gap after the last arrival of the one before, so that their
 * seam is neither a burst nor a pause.
 */
export class RepeatedTrace implements TraceSource {
  readonly #source: TraceSource;
  readonly #times: number;

  constructor(source: TraceSource, times: number) {
    if (!Number.isSafeInteger(times) || times < 1) {
      throw new IluvatarError('invalid', `a trace can be repeated a whole number of times, not ${times}`);
    }
    this.#source = source;
    this.#times = times;
  }

  get functions(): readonly TraceFunction[] {
    return this.#source.functions;
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const shifted = new BatchBuilder();
    let offset = 0;
    for (let time = 0; time < this.#times; time++) {
      let count = 0;
      let last = 0;
      for await (const batch of this.#source.arrivals()) {
        for (let i = 0; i < batch.count; i++) {
          last = batch.atUs[i] as number;
          shifted.add(offset + last, batch.fn[i] as number);
          if (!shifted.full) continue;
          yield shifted;
          shifted.count = 0;
        }
        count += batch.count;
      }
      if (count === 0) return;
      offset += last + Math.ceil(last / Math.max(1, count - 1));
    }
    if (shifted.count > 0) yield shifted;
  }
}
