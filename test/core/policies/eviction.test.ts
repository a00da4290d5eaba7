import { describe, expect, it } from 'vitest';
import type { Container } from '../../../src/core/pool/container.js';
import { LruEviction } from '../../../src/core/pool/eviction/lru.js';
import { evictionPolicies } from '../../../src/core/pool/eviction/policies.js';
import { TtlEviction } from '../../../src/core/pool/eviction/ttl.js';
import { containers, evictionPolicyConformance } from '../conformance/eviction-policy.js';

for (const entry of Object.values(evictionPolicies)) evictionPolicyConformance(entry);

describe('lru', () => {
  it('evicts the longest idle first and never by time', () => {
    const policy = new LruEviction();
    const [a, b, c] = containers(3) as [Container, Container, Container];
    for (const one of [a, b, c]) policy.idle(one);
    policy.leave(a);
    policy.idle(a);
    expect(policy.victim()).toBe(b);
    expect(policy.expired()).toBeNull();
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
