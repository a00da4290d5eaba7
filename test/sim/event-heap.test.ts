import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENT, EventHeap } from '../../src/sim/event-heap.js';

/** Told apart by `runUs`, which the heap only carries. */
function push(heap: EventHeap, at: number, id: number): void {
  heap.push(at, EVENT.call, null, null, id, null);
}

describe('the event heap', () => {
  it('gives events by time, and those of one time in the order in which they were pushed', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.nat(20), { freq: 3, nil: null }), { maxLength: 300 }), (steps) => {
        const heap = new EventHeap();
        let expected: { at: number; id: number }[] = [];
        for (const [id, at] of steps.entries()) {
          if (at !== null) {
            push(heap, at, id);
            expected = [...expected, { at, id }].sort((a, b) => a.at - b.at || a.id - b.id);
            continue;
          }
          expect(heap.nextAt).toBe(expected[0]?.at ?? Number.POSITIVE_INFINITY);
          if (expected.length === 0) continue;
          heap.pop();
          expect(heap.runUs).toBe(expected.shift()?.id);
        }
        expect(heap.size).toBe(expected.length);
        for (const { id } of expected) {
          heap.pop();
          expect(heap.runUs).toBe(id);
        }
      }),
    );
  });

  it('grows beyond its first capacity and forgets nothing', () => {
    const heap = new EventHeap();
    const count = 5000;
    for (let i = 0; i < count; i++) push(heap, (i * 7919) % count, i);
    for (let at = 0; at < count; at++) {
      expect(heap.nextAt).toBe(at);
      heap.pop();
      expect((heap.runUs * 7919) % count).toBe(at);
    }
    expect(heap.size).toBe(0);
  });
});
