import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import { numberOf, type PolicyEntry, type PolicyParameters } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { bounded, execUs, MOST_US } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';

/**
 * Mice and elephants: an invocation expected to run no longer than a threshold on the CPU (a mouse) runs there, every other one (an elephant) on the GPU. The
 * threshold follows the load that it makes. After each `period` choices,
 *
 *   load = 100 % · (CPU time of the mice sent there since the last adjustment) / (time since then · CPU slots)
 *   threshold ← threshold · (1 − step) when load > `cpuLoadCap`, else threshold · (1 + step)
 *
 * so the CPU gets as many of the small ones as it can carry. The step is relative: functions run from microseconds to minutes, and one step must mean the
 * same to all. Only times on the CPU have to be known.
 */
export class MiceDispatch extends EstimatingDispatch {
  readonly #step: number;
  readonly #period: number;
  readonly #cap: number;
  #thresholdUs: number;
  #choices = 0;
  #sentUs = 0;
  #since = -1;
  #load = 0;

  constructor(parameters: PolicyParameters) {
    super();
    this.#thresholdUs = numberOf(parameters, 'thresholdMs') * 1000;
    this.#step = numberOf(parameters, 'step');
    this.#period = numberOf(parameters, 'period');
    this.#cap = numberOf(parameters, 'cpuLoadCap');
  }

  protected override estimate(fn: FunctionRecord, device: Device): number {
    return device === 'cpu' ? execUs(fn, 'cpu') : 1;
  }

  protected override compare(fn: FunctionRecord, _devices: readonly Device[], loads: DeviceLoads, now: number): Device {
    if (this.#since < 0) this.#since = now;
    const cpuUs = execUs(fn, 'cpu');
    const isMouse = cpuUs <= this.#thresholdUs;
    if (isMouse) this.#sentUs = bounded(this.#sentUs + cpuUs);
    if (++this.#choices >= this.#period) this.#adjust(loads, now);
    return isMouse ? 'cpu' : 'gpu';
  }

  report(): unknown {
    return { thresholdMs: this.#thresholdUs / 1000, cpuLoadPercent: this.#load };
  }

  #adjust(loads: DeviceLoads, now: number): void {
    const slots = Math.max(1, bounded(loads.parallelism('cpu')));
    this.#load = (100 * this.#sentUs) / (Math.max(1, now - this.#since) * slots);
    const factor = this.#load > this.#cap ? 1 - this.#step : 1 + this.#step;
    this.#thresholdUs = Math.min(MOST_US, Math.max(1, this.#thresholdUs * factor));
    this.#choices = 0;
    this.#sentUs = 0;
    this.#since = now;
  }
}

export const mice: PolicyEntry<DispatchPolicy> = {
  name: 'mice',
  family: 'dispatch',
  optimises: 'both devices busy: the CPU with as many short functions as it carries, the GPU with the long ones',
  parameters: [
    { name: 'thresholdMs', unit: 'ms', default: 10_000, min: 0.001, max: 1e9, meaning: 'Longest mouse at first' },
    { name: 'step', unit: 'ratio', default: 0.01, min: 0, max: 0.5, meaning: 'By how much one adjustment moves it' },
    { name: 'period', unit: 'invocations', default: 10, min: 1, meaning: 'From one adjustment to the next' },
    { name: 'cpuLoadCap', unit: 'percent', default: 100, min: 0, meaning: 'Load of all CPU slots that it aims at' },
  ],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "MICE", which it names and leaves open',
  create: (parameters) => new MiceDispatch(parameters),
};
