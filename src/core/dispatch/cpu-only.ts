import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { DispatchPolicy } from './dispatch-policy.js';

/** Everything that can run on the CPU does; only what cannot goes to its first other device. */
export class CpuOnlyDispatch implements DispatchPolicy {
  choose(_fn: FunctionRecord, devices: readonly Device[]): Device {
    return devices.includes('cpu') ? 'cpu' : (devices[0] as Device);
  }

  ended(): void {}

  forget(): void {}
}
