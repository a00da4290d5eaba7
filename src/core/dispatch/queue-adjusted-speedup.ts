import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import { numberOf, type PolicyEntry, type PolicyParameters } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { soonest, speedupOf } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';
import { speedupRatio } from './speedup.js';

/**
 * What the GPU speeds up by more than a threshold goes where it is answered first, everything else to the CPU. Whenever that is the GPU, its queue moves
 * the threshold: with at most `shortQueue` queued it is multiplied by `decay`, so that more functions may come; with at least `longQueue` it is back at
 * `speedupRatio`. It stops at
 * `leastRatio`, below which hardly any function is; without an end it would shrink to 0 on an idle GPU.
 */
export class QueueAdjustedSpeedupDispatch extends EstimatingDispatch {
  readonly #parameters: PolicyParameters;
  #threshold: number;

  constructor(parameters: PolicyParameters) {
    super();
    this.#parameters = parameters;
    this.#threshold = numberOf(parameters, 'speedupRatio');
  }

  protected override compare(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads): Device {
    if (!(speedupOf(fn) > this.#threshold)) return 'cpu';
    const device = soonest(fn, devices, loads);
    if (device === 'gpu') this.#adjust(loads.queueLength('gpu'));
    return device;
  }

  report(): unknown {
    return { threshold: this.#threshold };
  }

  #adjust(queued: number): void {
    const parameters = this.#parameters;
    const first = numberOf(parameters, 'speedupRatio');
    if (queued >= numberOf(parameters, 'longQueue')) this.#threshold = first;
    else if (queued <= numberOf(parameters, 'shortQueue')) {
      const end = Math.min(first, numberOf(parameters, 'leastRatio'));
      this.#threshold = Math.max(end, this.#threshold * numberOf(parameters, 'decay'));
    }
  }
}

export const queue_adjust_avg_est_speedup: PolicyEntry<DispatchPolicy> = {
  name: 'queue_adjust_avg_est_speedup',
  family: 'dispatch',
  optimises: 'time to the answer, with the GPU kept busy and its queue short',
  parameters: [
    speedupRatio('The threshold at first, and when the queue is long'),
    { name: 'decay', unit: 'ratio', default: 0.99, min: 0, max: 1, meaning: 'Lowers the threshold when it is short' },
    {
      name: 'shortQueue',
      unit: 'invocations',
      default: 1,
      min: 0,
      meaning: 'At most this many queued are a short one',
    },
    { name: 'longQueue', unit: 'invocations', default: 3, min: 0, meaning: 'At least this many queued are a long one' },
    { name: 'leastRatio', unit: 'ratio', default: 0.1, min: 0, max: 1e6, meaning: 'The threshold never falls below' },
  ],
  cost: 'O(1), and one estimate of each queue',
  source: 'Ilúvatar, enqueueing policy "QueueAdjustAvgEstSpeedup"',
  create: (parameters) => new QueueAdjustedSpeedupDispatch(parameters),
};
