import { describe, expect, it } from 'vitest';
import { dispatchPolicies, evictionPolicies, policyDescriptions, queuePolicies } from '../../src/core/policies.js';
import type { Container } from '../../src/core/pool/container.js';
import { TtlEviction } from '../../src/core/pool/eviction/ttl.js';
import { dispatchPolicyConformance } from './conformance/dispatch-policy.js';
import { containers, evictionPolicyConformance } from './conformance/eviction-policy.js';
import { invocations, queuePolicyConformance } from './conformance/queue-policy.js';

for (const policy of Object.values(queuePolicies)) queuePolicyConformance(policy.name, () => policy.create({}));
for (const policy of Object.values(evictionPolicies)) evictionPolicyConformance(policy.name, () => policy.create({}));
for (const policy of Object.values(dispatchPolicies)) dispatchPolicyConformance(policy.name, () => policy.create({}));

describe('the registry of policies', () => {
  it('has each under the name it says, described in full', () => {
    for (const family of [queuePolicies, evictionPolicies, dispatchPolicies]) {
      for (const [key, entry] of Object.entries(family)) expect(entry.name).toBe(key);
    }
    for (const { optimises, cost, source, parameters } of policyDescriptions()) {
      for (const text of [optimises, cost, source]) expect(text.length).toBeGreaterThan(3);
      for (const parameter of parameters) expect(parameter.unit).not.toBe('');
    }
    const names = policyDescriptions().map(({ family, name }) => `${family}/${name}`);
    expect(names).toEqual(['queue/fcfs', 'eviction/lru', 'eviction/ttl', 'dispatch/cpu']);
  });
});

describe('fcfs', () => {
  it('serves functions in the order of arrival and puts one that comes back where it was', () => {
    const queue = queuePolicies.fcfs.create({});
    const [a, b, c] = invocations(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were asked for');
    queue.push(b, 0);
    queue.push(c, 0);
    queue.requeue(a);
    expect(queue.choose(-1)).toBe(a);
    queue.remove(b);
    queue.remove(a);
    expect(queue.choose(-1)).toBe(c);
  });
});

describe('lru', () => {
  it('evicts the longest idle first and never by time', () => {
    const policy = evictionPolicies.lru.create({});
    const [a, b, c] = containers(3) as [Container, Container, Container];
    for (const one of [a, b, c]) policy.idle(one);
    policy.leave(a, true);
    policy.idle(a);
    expect(policy.victim()).toBe(b);
    expect(policy.expired(1e15)).toBeNull();
  });
});

describe('ttl', () => {
  it('expires a container at its keep-alive and not a microsecond before', () => {
    const policy = new TtlEviction(10);
    const [a] = containers(1) as [Container];
    a.idleSince = 5000;
    policy.idle(a);
    expect(policy.nextExpiry()).toBe(15_000);
    expect(policy.expired(14_999)).toBeNull();
    expect(policy.expired(15_000)).toBe(a);
  });

  it('prefers the function’s own keep-alive', () => {
    const policy = new TtlEviction(10);
    const [a] = containers(1, 2) as [Container];
    a.idleSince = 0;
    policy.idle(a);
    expect(policy.nextExpiry()).toBe(2000);
  });

  it('counts from the last use', () => {
    const policy = new TtlEviction(10);
    const [a] = containers(1) as [Container];
    policy.idle(a);
    a.idleSince = 0;
    policy.leave(a, true);
    a.idleSince = 8000;
    policy.idle(a);
    expect(policy.expired(10_000)).toBeNull();
    expect(policy.nextExpiry()).toBe(18_000);
    expect(policy.expired(18_000)).toBe(a);
  });
});
