import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { gpuQueuePolicies } from '../../../src/core/queue/gpu-policies.js';
import { PaellaQueue } from '../../../src/core/queue/paella.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { createQueue, queuedInvocation, queueFunction } from '../conformance/queue-policy.js';

function start(queue: QueuePolicy): Invocation {
  const chosen = queue.choose(0, 0) as Invocation;
  queue.remove(chosen);
  queue.started(chosen, 0);
  return chosen;
}

function deficits(queue: QueuePolicy): Record<string, number> {
  const report = (queue as PaellaQueue).report();
  const { flows } = report as { flows: { function: string; deficit: number }[] };
  return Object.fromEntries(flows.map((flow) => [flow.function, flow.deficit]));
}

describe('paella', () => {
  const [short, long] = [queueFunction(0, { execUs: 10 }), queueFunction(1, { execUs: 1000 })];

  it('takes the shortest head until the other has been passed over for its threshold', () => {
    const queue = createQueue(gpuQueuePolicies.paella, { threshold: 2 });
    for (let id = 0; id < 10; id++) queue.push(queuedInvocation(id < 8 ? short : long, id), 0, 0);
    // Each start of the short one gives the long one 1/2: after four it has 2 and goes. That leaves it 1.5, and one more start makes it 2.
    const order = Array.from({ length: 10 }, () => start(queue).id);
    expect(order).toEqual([0, 1, 2, 3, 8, 4, 9, 5, 6, 7]);
  });

  it('has 25 for a threshold by default: of two functions the longer goes after fifty of the shorter', () => {
    const queue = createQueue(gpuQueuePolicies.paella);
    for (let id = 0; id < 60; id++) queue.push(queuedInvocation(id === 0 ? long : short, id), 0, 0);
    const order = Array.from({ length: 60 }, () => start(queue).id);
    expect(order.indexOf(0)).toBe(50);
  });

  it('charges a start to the function it is of and credits those that wait', () => {
    const queue = createQueue(gpuQueuePolicies.paella);
    const third = queueFunction(2, { execUs: 500 });
    for (let id = 0; id < 6; id++)
      queue.push(queuedInvocation([short, long, third][id % 3] as FunctionRecord, id), 0, 0);
    expect(start(queue).fn).toBe(short);
    const after = deficits(queue);
    expect(after['f0-1']).toBeCloseTo(-2 / 3);
    expect(after['f1-1']).toBeCloseTo(1 / 3);
    expect(after['f2-1']).toBeCloseTo(1 / 3);
  });

  it('puts what came back before a function that is due', () => {
    const queue = createQueue(gpuQueuePolicies.paella, { threshold: 0.5 });
    for (const [id, fn] of [short, short, long].entries()) queue.push(queuedInvocation(fn, id), 0, 0);
    const first = start(queue);
    expect(queue.choose(0, 0)?.id).toBe(2);
    queue.ended(first, 0);
    queue.requeue(first, 0);
    expect([start(queue).id, start(queue).id, start(queue).id]).toEqual([0, 2, 1]);
  });

  it('lets nobody gather a deficit while it has nothing queued', () => {
    const queue = createQueue(gpuQueuePolicies.paella, { threshold: 3 });
    let id = 0;
    queue.push(queuedInvocation(long, id++), 0, 0);
    start(queue);
    // The long function is known and wants nothing, while the short ones run a hundred times.
    const other = queueFunction(2, { execUs: 20 });
    for (let i = 0; i < 100; i++) {
      queue.push(queuedInvocation(short, id++), 0, 0);
      queue.push(queuedInvocation(other, id++), 0, 0);
      start(queue);
      start(queue);
    }
    queue.push(queuedInvocation(long, id++), 0, 0);
    queue.push(queuedInvocation(short, id++), 0, 0);
    expect(deficits(queue)['f1-1']).toBe(0);
    expect(start(queue).fn).toBe(short);
  });

  it('decides as deficits kept one by one would', () => {
    const step = fc.record({ kind: fc.constantFrom('push', 'push', 'take', 'take', 'drop'), pick: fc.nat(60) });
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 80, size: 'max' }),
        fc.constantFrom(0, 0.5, 1.4, 3),
        (steps, threshold) => {
          const queue = new PaellaQueue(threshold);
          const functions = [0, 1, 2, 3].map((index) => queueFunction(index, { execUs: 100 * ((index * 7) % 5) + 1 }));
          const naive = new Map<FunctionRecord, { deficit: number; items: Invocation[] }>();
          let id = 0;
          const leave = (one: Invocation): void => {
            queue.remove(one);
            const flow = naive.get(one.fn) as { items: Invocation[] };
            flow.items.splice(flow.items.indexOf(one), 1);
            if (flow.items.length === 0) naive.delete(one.fn);
          };
          for (const { kind, pick } of steps) {
            if (kind === 'push') {
              const one = queuedInvocation(functions[pick % 4] as FunctionRecord, id++);
              const flow = naive.get(one.fn) ?? { deficit: 0, items: [] };
              flow.items.push(one);
              naive.set(one.fn, flow);
              queue.push(one);
            } else if (kind === 'take' && naive.size > 0) {
              const chosen = queue.choose() as Invocation;
              const greatest = Math.max(...[...naive.values()].map(({ deficit }) => deficit));
              const mine = naive.get(chosen.fn) as { deficit: number; items: Invocation[] };
              expect(chosen).toBe(mine.items[0]);
              if (Math.abs(greatest - threshold) > 1e-6) {
                const time = (fn: FunctionRecord): number => fn.stats.gpu.exec.average;
                if (greatest > threshold) expect(mine.deficit).toBeCloseTo(greatest, 9);
                else expect(time(chosen.fn)).toBe(Math.min(...[...naive.keys()].map(time)));
              }
              const share = 1 / naive.size;
              for (const flow of naive.values()) flow.deficit += share;
              mine.deficit -= 1;
              leave(chosen);
              queue.started(chosen);
            } else if (kind === 'drop' && naive.size > 0) {
              const all = [...naive.values()].flatMap(({ items }) => items);
              leave(all[pick % all.length] as Invocation);
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });
});
