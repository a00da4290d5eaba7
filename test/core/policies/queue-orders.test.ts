import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import type { PolicyEntry } from '../../../src/core/policy.js';
import { cpuQueuePolicies } from '../../../src/core/queue/cpu-policies.js';
import { gpuQueuePolicies } from '../../../src/core/queue/gpu-policies.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { createQueue, queuedInvocation, queueFunction } from '../conformance/queue-policy.js';

/** Takes everything out, each one ended before the next is asked for. */
function drain(queue: QueuePolicy): number[] {
  const order: number[] = [];
  for (let chosen = queue.choose(0, 0); chosen !== null; chosen = queue.choose(0, 0)) {
    queue.remove(chosen);
    queue.started(chosen, 0);
    queue.ended(chosen, 0);
    order.push(chosen.id);
  }
  return order;
}

/** Pushes one invocation of each, with ids from 0 and a millisecond apart. */
function drained(entry: PolicyEntry<QueuePolicy>, functions: FunctionRecord[], expectedUs: number[] = []): number[] {
  const queue = createQueue(entry);
  functions.forEach((fn, id) => {
    queue.push(queuedInvocation(fn, id, id * 1000), expectedUs[id] ?? 0, id * 1000);
  });
  return drain(queue);
}

describe('orders with a priority that is fixed on arrival', () => {
  const [unknown, short, middle, long] = [0, 500, 2500, 9000].map((execUs, index) =>
    queueFunction(index, { execUs }),
  ) as [FunctionRecord, FunctionRecord, FunctionRecord, FunctionRecord];

  it('minheap: shortest first, unknown ones before all, equal ones by arrival', () => {
    expect(drained(cpuQueuePolicies.minheap, [long, short, middle, unknown, short])).toEqual([3, 1, 4, 2, 0]);
  });

  it('minheap_ed and eedf: by arrival and time together, so that a long one is not passed for ever', () => {
    // Would be done at: 9000, 3500, 2500, 5500, 4500.
    const functions = [long, middle, short, middle, short];
    for (const entry of [cpuQueuePolicies.minheap_ed, gpuQueuePolicies.eedf]) {
      expect(drained(entry, functions)).toEqual([2, 1, 4, 3, 0]);
      const late = Array.from({ length: 12 }, (_, i) => (i === 0 ? long : short));
      expect(drained(entry, late).indexOf(0)).toBe(8);
    }
  });

  it('minheap_iat: what comes most often first', () => {
    const [rare, frequent] = [queueFunction(0), queueFunction(1)];
    rare.stats.interArrival.add(60_000_000);
    frequent.stats.interArrival.add(1000);
    expect(drained(cpuQueuePolicies.minheap_iat, [rare, frequent, rare, frequent])).toEqual([1, 3, 0, 2]);
  });

  it('cold_pri and scaling: by the container there is for it; one that runs already is free of charge', () => {
    const known = (index: number, state: 'cold' | 'prewarm' | 'warm', running = 0): FunctionRecord => {
      const fn = queueFunction(index, { state, running });
      fn.stats.cpu.warm.add(3000);
      fn.stats.cpu.prewarm.add(5000);
      fn.stats.cpu.cold.add(9000);
      return fn;
    };
    const functions = [known(0, 'cold'), known(1, 'prewarm', 2), known(2, 'warm'), known(3, 'warm', 1)];
    expect(drained(cpuQueuePolicies.cold_pri, functions)).toEqual([3, 2, 1, 0]);
    expect(drained(cpuQueuePolicies.scaling, functions)).toEqual([3, 2, 1, 0]);
  });

  it('sjf: by what each is expected to take on the container it would get', () => {
    expect(drained(gpuQueuePolicies.sjf, [short, short, long], [900, 20_000, 10_000])).toEqual([0, 2, 1]);
  });

  it('keep the priority of the moment of arrival, whatever is learnt meanwhile', () => {
    const queue = createQueue(cpuQueuePolicies.minheap);
    const learning = queueFunction(7, { execUs: 1000 });
    queue.push(queuedInvocation(learning, 0), 0, 0);
    for (let i = 0; i < 100; i++) learning.stats.cpu.exec.add(1_000_000);
    queue.push(queuedInvocation(middle, 1), 0, 0);
    queue.push(queuedInvocation(learning, 2), 0, 0);
    expect(drain(queue)).toEqual([0, 1, 2]);
  });

  it('none: the order of arrival, with a length that does not hide what waits', () => {
    const queue = createQueue(cpuQueuePolicies.none);
    for (let id = 0; id < 3; id++) queue.push(queuedInvocation(id === 1 ? short : long, id), 0, 0);
    expect(queue.length).toBe(3);
    expect(drain(queue)).toEqual([0, 1, 2]);
  });
});

/** A list and a loop. `rank` is the definition: least first, by arrival among equals; what came back is before everything, by arrival. */
class NaiveQueue {
  readonly items: { one: Invocation; rank: number }[] = [];

  add(one: Invocation, rank: number): void {
    this.items.push({ one, rank });
  }

  delete(one: Invocation): void {
    this.items.splice(
      this.items.findIndex((item) => item.one === one),
      1,
    );
  }

  choose(): Invocation | null {
    let best: { one: Invocation; rank: number } | null = null;
    for (const item of this.items) {
      if (best === null || item.rank < best.rank) best = item;
      else if (item.rank === best.rank && item.one.id < best.one.id) best = item;
    }
    return best === null ? null : best.one;
  }
}

interface Naive {
  readonly title: string;
  readonly entry: PolicyEntry<QueuePolicy>;
  rank(one: Invocation, expectedUs: number): number;
  rankOfReturned(one: Invocation): number;
}

const ALWAYS_FIRST = (): number => Number.NEGATIVE_INFINITY;

const NAIVE: Naive[] = [
  { title: 'fcfs', entry: cpuQueuePolicies.fcfs, rank: (one) => one.id, rankOfReturned: (one) => one.id },
  {
    title: 'minheap',
    entry: cpuQueuePolicies.minheap,
    rank: (one) => one.fn.stats.cpu.exec.average,
    rankOfReturned: ALWAYS_FIRST,
  },
  { title: 'sjf', entry: gpuQueuePolicies.sjf, rank: (_one, expectedUs) => expectedUs, rankOfReturned: ALWAYS_FIRST },
];

describe('a list and a loop, written from the definition, decides the same', () => {
  for (const { title, entry, rank, rankOfReturned } of NAIVE) {
    it(title, () => {
      const step = fc.record({
        kind: fc.constantFrom('push', 'push', 'push', 'take', 'take', 'drop', 'requeue', 'learn'),
        pick: fc.nat(40),
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
          const queue = createQueue(entry);
          const naive = new NaiveQueue();
          const functions = [0, 1, 2, 3].map((index) => queueFunction(index));
          const running: Invocation[] = [];
          let id = 0;
          const both = (): Invocation | null => {
            const chosen = queue.choose(0, 0);
            expect(chosen?.id).toBe(naive.choose()?.id);
            return chosen;
          };
          const leave = (one: Invocation): void => {
            queue.remove(one);
            naive.delete(one);
          };
          for (const { kind, pick } of steps) {
            if (kind === 'push') {
              const one = queuedInvocation(functions[pick % 4] as FunctionRecord, id++);
              naive.add(one, rank(one, pick));
              queue.push(one, pick, 0);
            } else if (kind === 'take') {
              const chosen = both();
              if (chosen === null) continue;
              leave(chosen);
              queue.started(chosen, 0);
              running.push(chosen);
            } else if (kind === 'drop' && naive.items.length > 0) {
              leave((naive.items[pick % naive.items.length] as { one: Invocation }).one);
            } else if (kind === 'requeue' && running.length > 0) {
              const one = running.splice(pick % running.length, 1)[0] as Invocation;
              queue.ended(one, 0);
              queue.requeue(one, 0);
              naive.add(one, rankOfReturned(one));
            } else if (kind === 'learn') {
              (functions[pick % 4] as FunctionRecord).stats.cpu.exec.add(pick);
            }
          }
          for (let chosen = both(); chosen !== null; chosen = both()) leave(chosen);
        }),
        { numRuns: 3000 },
      );
    });
  }
});
