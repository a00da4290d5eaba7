import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createPolicy, type PolicyEntry } from '../../../src/core/policy.js';
import type { Container } from '../../../src/core/pool/container.js';
import type { EvictionPolicy } from '../../../src/core/pool/eviction/eviction-policy.js';
import { seededRandom } from '../../../src/core/random.js';
import { Harness } from '../support/harness.js';

/** What every eviction policy must do, whatever its order. */
export function evictionPolicyConformance(entry: PolicyEntry<EvictionPolicy>): void {
  const create = (): EvictionPolicy => createPolicy(entry, {}, { random: seededRandom(1), parallelism: 4 });

  describe(`eviction policy ${entry.name}`, () => {
    it('names no victim while nothing is idle', () => {
      const policy = create();
      expect(policy.victim()).toBeNull();
      expect(policy.expired(Number.MAX_SAFE_INTEGER)).toBeNull();
      expect(policy.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
    });

    it('knows exactly the idle ones, through any history', () => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ kind: fc.constantFrom('idle', 'use', 'evict', 'expire', 'leave'), pick: fc.nat(500) })),
          (steps) => {
            const policy = create();
            const others = new Set(containers(6));
            const idle = new Set<Container>();
            let now = 0;
            for (const { kind, pick } of steps) {
              now += pick;
              if (kind === 'idle' && others.size > 0) {
                const one = [...others][pick % others.size] as Container;
                others.delete(one);
                idle.add(one);
                one.idleSince = now;
                policy.idle(one);
              } else if ((kind === 'use' || kind === 'leave') && idle.size > 0) {
                const one = [...idle][pick % idle.size] as Container;
                idle.delete(one);
                policy.leave(one, kind === 'use');
                if (kind === 'use') others.add(one);
              } else if (kind === 'evict') {
                const victim = policy.victim();
                expect(victim === null).toBe(idle.size === 0);
                if (victim === null) continue;
                expect(policy.victim()).toBe(victim);
                expect(idle.delete(victim)).toBe(true);
                policy.leave(victim, false);
              } else if (kind === 'expire') {
                const next = policy.nextExpiry();
                const old = policy.expired(now);
                if (old === null) {
                  expect(policy.nextExpiry()).toBeGreaterThan(now);
                  continue;
                }
                expect(next).toBeLessThanOrEqual(now);
                expect(idle.delete(old)).toBe(true);
                policy.leave(old, false);
              }
            }
            for (const _ of [...idle]) {
              const victim = policy.victim() as Container;
              expect(idle.delete(victim)).toBe(true);
              policy.leave(victim, false);
            }
            expect(policy.victim()).toBeNull();
          },
        ),
        { numRuns: 300 },
      );
    });

    it('can be told that one leaves which is not idle', () => {
      const policy = create();
      const [one] = containers(1) as [Container];
      policy.leave(one, false);
      policy.idle(one);
      policy.leave(one, true);
      policy.leave(one, false);
      expect(policy.victim()).toBeNull();
      expect(policy.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
    });
  });
}

/** Running containers of one function; no policy has been told of them. */
export function containers(count: number, keepAliveMs: number | null = null): Container[] {
  const harness = new Harness({ cpuSlots: count, memoryMb: 100 * count });
  const fn = harness.register({ keepAliveMs });
  const made = Array.from({ length: count }, () => {
    harness.invoke(fn);
    return [...harness.port.creating].at(-1) as Container;
  });
  return made;
}
