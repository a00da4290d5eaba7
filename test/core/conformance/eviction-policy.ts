import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import { createPolicy, type PolicyEntry } from '../../../src/core/policy.js';
import type { Container } from '../../../src/core/pool/container.js';
import type { EvictionPolicy } from '../../../src/core/pool/eviction/eviction-policy.js';
import { seededRandom } from '../../../src/core/random.js';
import { containerOf, EvictionWorld, history, type Step, standIn } from '../support/eviction-world.js';
import { Harness } from '../support/harness.js';

/** What every eviction policy must do, whatever its order. */
export function evictionPolicyConformance(entry: PolicyEntry<EvictionPolicy>): void {
  const create = (): EvictionPolicy => createPolicy(entry, {}, { random: seededRandom(1), parallelism: 4 });

  describe(`eviction policy ${entry.name}`, () => {
    it('names no victim while nothing is idle', () => {
      const policy = create();
      expect(policy.victim()).toBeNull();
      expect(policy.expired(Number.MAX_SAFE_INTEGER)).toBeNull();
      expect(policy.prewarmDue?.(Number.MAX_SAFE_INTEGER) ?? null).toBeNull();
      expect(policy.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
    });

    it('knows exactly the idle ones, through any history', () => {
      through(create, (world, _policy, step) => {
        const idle = new Set(world.idle);
        if (step.kind === 'evict' || step.kind === 'look') {
          const victim = world.look();
          expect(victim === null).toBe(idle.size === 0);
          if (victim !== null) expect(idle.has(victim)).toBe(true);
          expect(world.look()).toBe(victim);
        }
        if (step.kind === 'tick') for (const old of world.tick().expired) expect(idle.delete(old)).toBe(true);
      });
    });

    it('says in time when something is due, and names nothing before', () => {
      through(create, (world, policy, step) => {
        const next = policy.nextExpiry();
        const before = Math.min(next, Number.MAX_SAFE_INTEGER) - 1;
        expect(policy.expired(before)).toBeNull();
        expect(policy.prewarmDue?.(before) ?? null).toBeNull();
        if (step.kind !== 'tick') return;
        const { expired, prewarmed } = world.tick();
        if (expired.length + prewarmed.length > 0) expect(next).toBeLessThanOrEqual(world.now);
        expect(policy.nextExpiry()).toBeGreaterThan(world.now);
        // One that idles again only after another invocation can be foreseen only once for this idleness.
        expect(new Set(prewarmed).size).toBe(prewarmed.length);
        expect(world.tick()).toEqual({ expired: [], prewarmed: [] });
        for (const fn of prewarmed) expect(fn.removed).toBe(false);
      });
    });

    if (create().prewarmDue !== undefined) {
      it('names a function to be made ready once between two invocations', () => {
        fc.assert(
          fc.property(history, (steps) => {
            const named = new Set<FunctionRecord>();
            const observed = create();
            const world = new EvictionWorld(
              {
                idle: (container) => observed.idle(container),
                leave: (container, used) => observed.leave(container, used),
                victim: () => observed.victim(),
                expired: (now) => observed.expired(now),
                arrived(fn, now) {
                  named.delete(fn);
                  observed.arrived?.(fn, now);
                },
                prewarmDue(now) {
                  const fn = observed.prewarmDue?.(now) ?? null;
                  if (fn === null) return null;
                  expect(named.has(fn)).toBe(false);
                  named.add(fn);
                  return fn;
                },
                forget: (fn) => observed.forget?.(fn),
              },
              functions(),
            );
            for (const step of steps) world.step(step);
          }),
          { numRuns: 200 },
        );
      });
    }

    it('forgets a function with everything that was due for it', () => {
      const policy = create();
      const fn = standIn(0);
      const world = new EvictionWorld(policy, [fn]);
      const container = world.coldStart(fn);
      for (let i = 0; i < 3; i++) {
        world.now += 1_000_000;
        world.end(container);
        world.now += 30 * 60_000_000;
        world.use(container);
      }
      world.end(container);
      policy.forget?.(fn);
      world.destroy(container);
      expect(policy.victim()).toBeNull();
      expect(policy.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
      policy.arrived?.(fn, world.now);
      expect(policy.prewarmDue?.(Number.MAX_SAFE_INTEGER) ?? null).toBeNull();
    });

    it('can be told that one leaves which is not idle', () => {
      const policy = create();
      const one = containerOf(standIn(0));
      policy.leave(one, false);
      policy.idle(one);
      policy.leave(one, true);
      policy.leave(one, false);
      expect(policy.victim()).toBeNull();
      expect(policy.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
      policy.leave(one, false);
      expect(policy.victim()).toBeNull();
    });

    it('keeps what it knows of a container on the container, for all its life', () => {
      const policy = create();
      const one = containerOf(standIn(0));
      policy.idle(one);
      const node = one.evictionNode;
      expect(node).not.toBeNull();
      for (let i = 0; i < 3; i++) {
        policy.leave(one, true);
        policy.idle(one);
        expect(one.evictionNode).toBe(node);
      }
    });
  });
}

/** Runs histories; `check` comes before each step and may do more. Last, all that idle are taken as victims, one by one. */
function through(
  create: () => EvictionPolicy,
  check: (world: EvictionWorld, policy: EvictionPolicy, step: Step) => void,
): void {
  fc.assert(
    fc.property(history, (steps) => {
      const policy = create();
      const world = new EvictionWorld(policy, functions());
      for (const step of steps) {
        check(world, policy, step);
        world.step(step);
      }
      for (let left = world.idle.size; left > 0; left--) {
        const victim = policy.victim() as Container;
        expect(world.idle.has(victim)).toBe(true);
        world.destroy(victim);
      }
      expect(policy.victim()).toBeNull();
    }),
    { numRuns: 200 },
  );
}

function functions(): FunctionRecord[] {
  return [standIn(0), standIn(1, { keepAliveMs: 90_000 }), standIn(2, { memoryMb: 512 })];
}

/** Containers of one function that an engine is making; no policy has been told of them. */
export function containers(count: number): Container[] {
  const harness = new Harness({ cpuSlots: count, memoryMb: 100 * count });
  const fn = harness.register();
  for (let i = 0; i < count; i++) harness.invoke(fn);
  return [...harness.port.creating];
}
