import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { least } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';

/** The device on which the function itself runs shortest (average execution time, µs), however long the queue for it is. */
export class ShortestExecDispatch extends EstimatingDispatch {
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

export const shortest_exec: PolicyEntry<DispatchPolicy> = {
  name: 'shortest_exec',
  family: 'dispatch',
  optimises: 'execution time; blind to queues',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "ShortestExecTime"',
  create: () => new ShortestExecDispatch(),
};
