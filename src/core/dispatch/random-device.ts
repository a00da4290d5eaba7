import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { Random } from '../random.js';
import type { DispatchPolicy } from './dispatch-policy.js';

/** Uniform over the devices. */
export class RandomDispatch implements DispatchPolicy {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  choose(_fn: FunctionRecord, devices: readonly Device[]): Device {
    return devices[Math.floor(this.#random() * devices.length)] as Device;
  }

  ended(): void {}

  forget(): void {}
}

export const random: PolicyEntry<DispatchPolicy> = {
  name: 'random',
  family: 'dispatch',
  optimises: 'nothing: each device alike often, as a base to compare with',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "Random"',
  create: (_parameters, context) => new RandomDispatch(context.random),
};
