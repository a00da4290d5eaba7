import { describe, expect, it } from 'vitest';
import {
  CPU_QUEUE_POLICIES,
  DISPATCH_POLICIES,
  EVICTION_POLICIES,
  GPU_QUEUE_POLICIES,
} from '../../../src/config/policy-names.js';
import {
  cpuQueuePolicies,
  dispatchPolicies,
  evictionPolicies,
  gpuQueuePolicies,
  policyDescriptions,
} from '../../../src/core/policies.js';
import { createPolicy } from '../../../src/core/policy.js';
import { seededRandom } from '../../../src/core/random.js';
import { classThrown } from '../support/harness.js';

const context = { random: seededRandom(1), parallelism: 4 };
const families = {
  'cpu-queue': cpuQueuePolicies,
  'gpu-queue': gpuQueuePolicies,
  eviction: evictionPolicies,
  dispatch: dispatchPolicies,
};

describe('the registry of policies', () => {
  it('has each under the name and family it says, described in full', () => {
    for (const [family, entries] of Object.entries(families)) {
      for (const [key, entry] of Object.entries(entries)) expect([entry.family, entry.name]).toEqual([family, key]);
    }
    for (const { optimises, cost, source, parameters } of policyDescriptions()) {
      for (const text of [optimises, cost, source]) expect(text.length).toBeGreaterThan(3);
      for (const parameter of parameters) expect(parameter.unit).not.toBe('');
    }
  });

  it('can be configured, each by its name', () => {
    expect([...CPU_QUEUE_POLICIES]).toEqual(Object.keys(cpuQueuePolicies));
    expect([...GPU_QUEUE_POLICIES]).toEqual(Object.keys(gpuQueuePolicies));
    expect([...DISPATCH_POLICIES]).toEqual(Object.keys(dispatchPolicies));
    expect([...EVICTION_POLICIES]).toEqual(Object.keys(evictionPolicies));
  });

  it('refuses parameters a policy does not have, and values it cannot take', () => {
    const make = (parameters: Record<string, number | string>) => (): unknown =>
      createPolicy(evictionPolicies.ttl, parameters, context);
    expect(classThrown(make({ keepAlive: 5 }))).toBe('invalid');
    expect(classThrown(make({ keepAliveMs: 'long' }))).toBe('invalid');
    expect(classThrown(make({ keepAliveMs: -1 }))).toBe('invalid');
    expect(classThrown(make({ keepAliveMs: 5 }))).toBe('nothing');
  });
});
