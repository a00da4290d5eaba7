import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { Random } from '../random.js';
import type { DeviceLoads, DispatchPolicy } from './dispatch-policy.js';
import { bounded, completionUs } from './estimates.js';
import { EstimatingDispatch } from './learning-dispatch.js';

/**
 * Warm answers a second that a device promises, were the invocation sent there:
 *
 *   rate = chance of a warm container / expected time to the answer
 *
 * and each device is chosen with the probability of its share of all rates. Without any rate, all are alike.
 */
export class HitThroughputDispatch extends EstimatingDispatch {
  readonly #random: Random;

  constructor(random: Random) {
    super();
    this.#random = random;
  }

  protected override estimate(fn: FunctionRecord, device: Device, loads: DeviceLoads): number {
    return completionUs(fn, device, loads);
  }

  protected override compare(
    fn: FunctionRecord,
    devices: readonly Device[],
    loads: DeviceLoads,
    _now: number,
    times: readonly number[],
  ): Device {
    const rates = devices.map((device, index) => {
      return Math.min(1, bounded(loads.hitProbability(fn, device))) / Math.max(1, times[index] as number);
    });
    const total = rates.reduce((sum, rate) => sum + rate, 0);
    const draw = this.#random();
    if (total === 0) return devices[Math.floor(draw * devices.length)] as Device;
    let passed = 0;
    for (const [index, rate] of rates.entries()) {
      passed += rate;
      if (draw * total < passed) return devices[index] as Device;
    }
    return devices[rates.findLastIndex((rate) => rate > 0)] as Device;
  }
}

export const hit_tput: PolicyEntry<DispatchPolicy> = {
  name: 'hit_tput',
  family: 'dispatch',
  optimises: 'warm answers a second, spread over the devices by what each promises',
  parameters: [],
  cost: 'O(1), and one estimate of each queue',
  source: 'Ilúvatar, enqueueing policy "HitTput"',
  create: (_parameters, context) => new HitThroughputDispatch(context.random),
};
