import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import { numberOf, type PolicyEntry, type PolicyParameter } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { soonest, speedupOf } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';

/** On the GPU runs what runs there more than `ratio` times as fast as on the CPU, by average execution times. */
export class SpeedupDispatch extends EstimatingDispatch {
  readonly #ratio: number;

  constructor(ratio: number) {
    super();
    this.#ratio = ratio;
  }

  protected override compare(fn: FunctionRecord): Device {
    return speedupOf(fn) > this.#ratio ? 'gpu' : 'cpu';
  }
}

/** What the GPU speeds up by more than `ratio` goes where it is answered first; everything else stays off the GPU. */
export class EstSpeedupDispatch extends EstimatingDispatch {
  readonly #ratio: number;

  constructor(ratio: number) {
    super();
    this.#ratio = ratio;
  }

  protected override compare(fn: FunctionRecord, devices: readonly Device[], loads: DeviceLoads): Device {
    return speedupOf(fn) > this.#ratio ? soonest(fn, devices, loads) : 'cpu';
  }
}

export function speedupRatio(meaning: string): PolicyParameter {
  return { name: 'speedupRatio', unit: 'ratio', default: 4, min: 0, max: 1e6, meaning };
}

export const speedup: PolicyEntry<DispatchPolicy> = {
  name: 'speedup',
  family: 'dispatch',
  optimises: 'use of the GPU: only what it speeds up much',
  parameters: [speedupRatio('Runs on the GPU: CPU time over GPU time above this')],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "Speedup"',
  create: (parameters) => new SpeedupDispatch(numberOf(parameters, 'speedupRatio')),
};

export const est_speedup: PolicyEntry<DispatchPolicy> = {
  name: 'est_speedup',
  family: 'dispatch',
  optimises: 'time to the answer, of what the GPU speeds up much',
  parameters: [speedupRatio('May run on the GPU: CPU time over GPU time above this')],
  cost: 'O(1), and one estimate of each queue',
  source: 'Ilúvatar, enqueueing policy "EstSpeedup"',
  create: (parameters) => new EstSpeedupDispatch(numberOf(parameters, 'speedupRatio')),
};
