import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { DispatchPolicy } from './dispatch-policy.js';

/** Everything that can run on the CPU does; only what cannot goes to its first other device. */
export class CpuOnlyDispatch implements DispatchPolicy {
  choose(_fn: FunctionRecord, devices: readonly Device[]): Device {
    return devices.includes('cpu') ? 'cpu' : (devices[0] as Device);
  }

  ended(): void {}

  forget(): void {}
}

export const cpu: PolicyEntry<DispatchPolicy> = {
  name: 'cpu',
  family: 'dispatch',
  optimises: 'simplicity: whatever can run on the CPU does',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "AlwaysCPU"',
  create: () => new CpuOnlyDispatch(),
};
