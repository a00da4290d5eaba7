import { describe, expect, it } from 'vitest';
import type { DeviceLoads, DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import type { Device } from '../../../src/core/function.js';
import { createPolicy, type PolicyEntry } from '../../../src/core/policy.js';
import { seededRandom } from '../../../src/core/random.js';
import { Harness, OK } from '../support/harness.js';

/** A CPU with a queue of four and a GPU with a short one; tests override what they are about. */
export function loads(over: Partial<DeviceLoads> = {}): DeviceLoads {
  return {
    queuedUs: (device) => (device === 'cpu' ? 4e6 : 1e6),
    queueLength: (device) => (device === 'cpu' ? 4 : 1),
    queuedOf: () => 1,
    completionUs: (_fn, device) => (device === 'cpu' ? 2e6 : 1e6),
    parallelism: (device) => (device === 'cpu' ? 4 : 2),
    throughput: () => 1,
    hitProbability: () => 0.5,
    activeFunctions: () => 1,
    ...over,
  };
}

const LOADS = loads();

/** What every dispatch policy must do, whichever device it prefers. */
export function dispatchPolicyConformance(entry: PolicyEntry<DispatchPolicy>): void {
  const create = (): DispatchPolicy => createPolicy(entry, {}, { random: seededRandom(1), parallelism: 4 });

  describe(`dispatch policy ${entry.name}`, () => {
    it('chooses only among the devices it is given', () => {
      const policy = create();
      const harness = new Harness();
      const fn = harness.register();
      for (const devices of [
        ['cpu', 'gpu'],
        ['gpu', 'cpu'],
      ] as Device[][]) {
        for (let i = 0; i < 20; i++) expect([...devices, 'all']).toContain(policy.choose(fn, devices, LOADS, i * 1000));
      }
    });

    it('goes on after ends and forgotten functions', () => {
      const policy = create();
      const harness = new Harness();
      const fn = harness.register();
      const invocation = harness.invoke(fn);
      policy.ended(invocation, OK, 5);
      policy.forget(fn);
      expect(['cpu', 'gpu', 'all']).toContain(policy.choose(fn, ['cpu', 'gpu'], LOADS, 10));
    });
  });
}
