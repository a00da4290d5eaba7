import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { DispatchPolicy } from './dispatch-policy.js';

/** Everything that can run on a GPU does. */
export class GpuOnlyDispatch implements DispatchPolicy {
  choose(_fn: FunctionRecord, devices: readonly Device[]): Device {
    return devices.includes('gpu') ? 'gpu' : (devices[0] as Device);
  }

  ended(): void {}

  forget(): void {}
}

export const gpu: PolicyEntry<DispatchPolicy> = {
  name: 'gpu',
  family: 'dispatch',
  optimises: 'use of the GPU: whatever can run there does',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "AlwaysGPU"',
  create: () => new GpuOnlyDispatch(),
};
