import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Invocation } from '../../../src/core/invocation.js';
import { createPolicy, type PolicyEntry } from '../../../src/core/policy.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { seededRandom } from '../../../src/core/random.js';
import { Harness } from '../support/harness.js';

/** What every queue policy must do, whatever its order. */
export function queuePolicyConformance(entry: PolicyEntry<QueuePolicy>): void {
  const create = (): QueuePolicy => createPolicy(entry, {}, { random: seededRandom(1), parallelism: 4 });
  const device = entry.family === 'gpu-queue' ? 0 : -1;
  const take = (queue: QueuePolicy): Invocation => {
    const chosen = queue.choose(device, 0) as Invocation;
    queue.remove(chosen);
    queue.started(chosen, 0);
    return chosen;
  };

  describe(`${entry.family} policy ${entry.name}`, () => {
    it('is empty at first', () => {
      const queue = create();
      expect(queue.length).toBe(0);
      expect(queue.choose(device, 0)).toBeNull();
    });

    it('chooses the same one until something changes, and keeps it until it is removed', () => {
      const queue = create();
      for (const invocation of invocations(3)) queue.push(invocation, 100, 0);
      const chosen = queue.choose(device, 0);
      expect(chosen).not.toBeNull();
      expect(queue.choose(device, 0)).toBe(chosen);
      expect(queue.length).toBe(3);
      queue.remove(chosen as Invocation);
      expect(queue.length).toBe(2);
      expect(queue.choose(device, 0)).not.toBe(chosen);
    });

    it('gives back everything that was put in, once, and nothing else', () => {
      fc.assert(
        fc.property(
          fc.array(fc.record({ kind: fc.constantFrom('push', 'take', 'drop', 'requeue'), pick: fc.nat() })),
          (steps) => {
            const queue = create();
            const fresh = invocations(steps.length + 1);
            const held = new Set<Invocation>();
            const taken: Invocation[] = [];
            for (const { kind, pick } of steps) {
              if (kind === 'push') {
                const invocation = fresh.shift() as Invocation;
                held.add(invocation);
                queue.push(invocation, pick % 1000, 0);
              } else if (kind === 'take') {
                const chosen = queue.choose(device, 0);
                expect(chosen === null).toBe(held.size === 0);
                if (chosen === null) continue;
                expect(held.delete(chosen)).toBe(true);
                queue.remove(chosen);
                queue.started(chosen, 0);
                taken.push(chosen);
              } else if (kind === 'drop' && held.size > 0) {
                const one = [...held][pick % held.size] as Invocation;
                held.delete(one);
                queue.remove(one);
              } else if (kind === 'requeue' && taken.length > 0) {
                const [one] = taken.splice(pick % taken.length, 1) as [Invocation];
                queue.ended(one, 0);
                queue.requeue(one, 0);
                held.add(one);
              }
              expect(queue.length).toBe(held.size);
            }
          },
        ),
        { numRuns: 200 },
      );
    });

    it('keeps the order of arrival within one function', () => {
      const queue = create();
      const all = invocations(20);
      for (const invocation of all) queue.push(invocation, 100, 0);
      const [first, second] = [take(queue), take(queue)];
      queue.ended(second, 0);
      queue.requeue(second, 0);
      queue.ended(first, 0);
      queue.requeue(first, 0);
      const order = all.map(() => take(queue).id);
      expect(order).toEqual(all.map(({ id }) => id));
    });
  });
}

/** Of one function, as an engine makes them. */
export function invocations(count: number): Invocation[] {
  const harness = new Harness({ queueLimit: count, cpuSlots: 1 });
  const fn = harness.register();
  return Array.from({ length: count }, () => {
    const invocation = harness.invoke(fn);
    // The engine it was made by has its own queue; here it belongs to the one under test.
    invocation.queueNode = null;
    return invocation;
  });
}
