import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Invocation } from '../../../src/core/invocation.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { Harness } from '../support/harness.js';

/** What every queue policy must do, whatever its order. */
export function queuePolicyConformance(name: string, create: () => QueuePolicy): void {
  describe(`queue policy ${name}`, () => {
    it('is empty at first', () => {
      const queue = create();
      expect(queue.length).toBe(0);
      expect(queue.choose(-1)).toBeNull();
    });

    it('chooses the same one until something changes, and keeps it until it is removed', () => {
      const queue = create();
      for (const invocation of invocations(3)) queue.push(invocation, 100);
      const chosen = queue.choose(-1);
      expect(chosen).not.toBeNull();
      expect(queue.choose(-1)).toBe(chosen);
      expect(queue.length).toBe(3);
      queue.remove(chosen as Invocation);
      expect(queue.length).toBe(2);
      expect(queue.choose(-1)).not.toBe(chosen);
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
                queue.push(invocation, pick % 1000);
              } else if (kind === 'take') {
                const chosen = queue.choose(-1);
                expect(chosen === null).toBe(held.size === 0);
                if (chosen === null) continue;
                expect(held.delete(chosen)).toBe(true);
                queue.remove(chosen);
                queue.started(chosen);
                taken.push(chosen);
              } else if (kind === 'drop' && held.size > 0) {
                const one = [...held][pick % held.size] as Invocation;
                held.delete(one);
                queue.remove(one);
              } else if (kind === 'requeue' && taken.length > 0) {
                const [one] = taken.splice(pick % taken.length, 1) as [Invocation];
                queue.ended(one);
                queue.requeue(one);
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
      for (const invocation of all) queue.push(invocation, 100);
      const [first, second] = [take(queue), take(queue)];
      queue.ended(second);
      queue.requeue(second);
      queue.ended(first);
      queue.requeue(first);
      const order = all.map(() => take(queue).id);
      expect(order).toEqual(all.map(({ id }) => id));
    });
  });
}

function take(queue: QueuePolicy): Invocation {
  const chosen = queue.choose(-1) as Invocation;
  queue.remove(chosen);
  queue.started(chosen);
  return chosen;
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
