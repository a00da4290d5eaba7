import { describe, expect, it } from 'vitest';
import type { DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import type { Device } from '../../../src/core/function.js';
import { Harness, OK } from '../support/harness.js';

const LOADS = { queuedUs: () => 1e6 };

/** What every dispatch policy must do, whichever device it prefers. */
export function dispatchPolicyConformance(name: string, create: () => DispatchPolicy): void {
  describe(`dispatch policy ${name}`, () => {
    it('chooses only among the devices it is given', () => {
      const policy = create();
      const harness = new Harness();
      const fn = harness.register();
      for (const devices of [['cpu'], ['gpu'], ['cpu', 'gpu'], ['gpu', 'cpu']] as Device[][]) {
        for (let i = 0; i < 20; i++) expect(devices).toContain(policy.choose(fn, devices, LOADS, i * 1000));
      }
    });

    it('goes on after ends and forgotten functions', () => {
      const policy = create();
      const harness = new Harness();
      const fn = harness.register();
      const invocation = harness.invoke(fn);
      policy.ended(invocation, OK, 5);
      policy.forget(fn);
      expect(['cpu', 'gpu']).toContain(policy.choose(fn, ['cpu', 'gpu'], LOADS, 10));
    });
  });
}
