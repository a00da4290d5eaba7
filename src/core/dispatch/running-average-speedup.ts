import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import { numberOf, type PolicyEntry } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { soonest, speedupOf } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';
import { speedupRatio } from './speedup.js';

/** Relative; an average of equal numbers comes out a rounding error beside them. */
const TOLERANCE = 1e-9;

/**
 * A speed-up counts as great when it is at least the average of those that came lately:
 *
 *   average ← (1 − weight) · average + weight · speed-up of this invocation's function
 *
 * and the invocation goes where it is answered first if its speed-up is no less than the new average, else to the CPU. Functions that are all sped up alike
 * are all at the average, and all may use the GPU. A speed-up that is not known changes nothing.
 */
export class RunningAverageSpeedupDispatch extends EstimatingDispatch {
  readonly #weight: number;
  #average: number;

  constructor(first: number, weight: number) {
    super();
    this.#average = first;
    this.#weight = weight;
  }

  protected override compare(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads): Device {
    const ratio = speedupOf(fn);
    this.#average = (1 - this.#weight) * this.#average + this.#weight * ratio;
    return ratio >= this.#average * (1 - TOLERANCE) ? soonest(fn, devices, loads) : 'cpu';
  }

  report(): unknown {
    return { averageSpeedup: this.#average };
  }
}

export const running_avg_est_speedup: PolicyEntry<DispatchPolicy> = {
  name: 'running_avg_est_speedup',
  family: 'dispatch',
  optimises: 'time to the answer, of what the GPU speeds up more than most',
  parameters: [
    speedupRatio('The average at first'),
    { name: 'weight', unit: 'ratio', default: 0.1, min: 0, max: 1, meaning: 'Of the newest speed-up in the average' },
  ],
  cost: 'O(1), and one estimate of each queue',
  source: 'Ilúvatar, enqueueing policy "RunningAvgEstSpeedup"',
  create: (parameters) =>
    new RunningAverageSpeedupDispatch(numberOf(parameters, 'speedupRatio'), numberOf(parameters, 'weight')),
};
