import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { completionUs, least } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';

/** The device whose queue expects to answer first: waiting and running together. */
export class EstCompletionDispatch extends EstimatingDispatch {
  protected override estimate(fn: FunctionRecord, device: Device, loads: DeviceLoads): number {
    return completionUs(fn, device, loads);
  }

  protected override compare(
    _fn: FunctionRecord,
    devices: readonly Device[],
    _loads: DeviceLoads,
    _now: number,
    times: readonly number[],
  ): Device {
    return least(devices, times);
  }
}

export const est_completion: PolicyEntry<DispatchPolicy> = {
  name: 'est_completion',
  family: 'dispatch',
  optimises: 'time to the answer, each invocation for itself',
  parameters: [],
  cost: 'O(1), and one estimate of each queue',
  source: 'Ilúvatar, enqueueing policy "EstCompTime"',
  create: () => new EstCompletionDispatch(),
};
