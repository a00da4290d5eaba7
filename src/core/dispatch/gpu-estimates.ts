import type { FunctionRecord } from '../function-record.js';
import { Characteristic } from '../stats.js';
import type { DeviceLoads } from './dispatch-policy.js';
import { bounded } from './estimates.js';
import { FunctionStates } from './function-states.js';

/** Of the latest estimates' average, the queue's estimate, and the error; Ilúvatar's gains. */
const [PAST, QUEUE, ERROR] = [0.1, 0.7, 0.2];

/**
 * Expected time to an answer from the GPU, smoothed; µs. A filter with fixed gains in the manner of Kalman's:
 *
 *   x = 0.1 · e + 0.7 · q + 0.2 · (o − e)
 *
 * e = moving average of earlier x, q = what the queue estimates now, o = moving average of measured times; q stands for e or o while they are unknown. The
 * gains do not sum to 1: where q = o = v for long, x settles at 0.9 / 1.1 · v = 0.82 · v. Kept as it is: it favours the GPU by that much, and thresholds are
 * read with it.
 */
export class GpuEstimates {
  readonly #past = new FunctionStates(() => new Characteristic());

  next(fn: FunctionRecord, loads: DeviceLoads): number {
    const queueUs = bounded(loads.completionUs(fn, 'gpu'));
    const past = this.#past.of(fn);
    const pastUs = past.average || queueUs;
    const measuredUs = bounded(fn.stats.gpu.e2e.average) || queueUs;
    const nextUs = bounded(PAST * pastUs + QUEUE * queueUs + ERROR * (measuredUs - pastUs));
    past.add(nextUs);
    return nextUs;
  }

  forget(fn: FunctionRecord): void {
    this.#past.forget(fn);
  }
}
