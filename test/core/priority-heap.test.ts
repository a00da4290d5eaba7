import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type HeapNode, PriorityHeap } from '../../src/core/priority-heap.js';

describe('PriorityHeap', () => {
  it('has the least first, whatever is added, removed and moved', () => {
    const steps = fc.array(
      fc.record({
        kind: fc.oneof(
          { weight: 5, arbitrary: fc.constant('push' as const) },
          { weight: 2, arbitrary: fc.constant('take' as const) },
          { weight: 2, arbitrary: fc.constant('remove' as const) },
          { weight: 3, arbitrary: fc.constant('move' as const) },
        ),
        priority: fc.oneof(fc.nat(5), fc.double({ min: 0, max: 1e15, noNaN: true })),
        pick: fc.nat(10_000),
      }),
      { maxLength: 400, size: 'max' },
    );
    fc.assert(
      fc.property(steps, (history) => {
        const heap = new PriorityHeap<HeapNode>();
        let inside: HeapNode[] = [];
        let orders = 0;
        for (const { kind, priority, pick } of history) {
          const picked = inside[pick % Math.max(1, inside.length)];
          if (kind === 'push') {
            const node = { priority, order: ++orders, heapIndex: -1 };
            inside.push(node);
            heap.push(node);
          } else if (picked !== undefined && kind === 'move') {
            picked.order = ++orders;
            heap.move(picked, priority);
          } else if (picked !== undefined) {
            const node = kind === 'take' ? (heap.first() as HeapNode) : picked;
            heap.remove(node);
            expect(node.heapIndex).toBe(-1);
            heap.remove(node);
            inside = inside.filter((one) => one !== node);
          }
          const [least] = [...inside].sort((a, b) => a.priority - b.priority || a.order - b.order);
          expect(heap.first()).toBe(least ?? null);
          expect([heap.length, new Set(heap)]).toEqual([inside.length, new Set(inside)]);
        }
      }),
      { numRuns: 100 },
    );
  });
});
