import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { gpuQueuePolicies } from '../../../src/core/queue/gpu-policies.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { WfqQueue } from '../../../src/core/queue/wfq.js';
import { createQueue, queuedInvocation, queueFunction } from '../conformance/queue-policy.js';
import { classThrown } from '../support/harness.js';

function start(queue: QueuePolicy): Invocation {
  const chosen = queue.choose(0, 0) as Invocation;
  queue.remove(chosen);
  queue.started(chosen, 0);
  return chosen;
}

describe('wfq', () => {
  it('works through an example by hand', () => {
    // a: L = 4, w = 2; b: L = 3, w = 1; c: L = 1, w = 1.
    const [a, b, c] = [4, 3, 1].map((execUs, index) => queueFunction(index, { execUs })) as [
      FunctionRecord,
      FunctionRecord,
      FunctionRecord,
    ];
    const queue = createQueue(gpuQueuePolicies.wfq, { weights: { 'f0-1': 2 } });
    // At v = 0: a's tags are 2, 4, 6, 8 (ids 0 … 3); b's are 3, 6 (ids 4, 5).
    for (const [id, fn] of [a, a, a, a, b, b].entries()) queue.push(queuedInvocation(fn, id), 0, 0);
    expect(start(queue).id).toBe(0);
    expect(start(queue).id).toBe(4);
    expect(start(queue).id).toBe(1);
    // c arrives at v = 4: its tags are 5 and 6.
    queue.push(queuedInvocation(c, 6), 0, 0);
    queue.push(queuedInvocation(c, 7), 0, 0);
    // 5; then three with 6, by arrival; then 8.
    expect([start(queue).id, start(queue).id, start(queue).id, start(queue).id, start(queue).id]).toEqual([
      6, 2, 5, 7, 3,
    ]);
    expect(queue.report?.(0)).toEqual({ virtualTimeUs: 8, flows: [] });
  });

  it('gives nothing for having been away: a function that returns starts at the virtual time', () => {
    const [a, b] = [queueFunction(0, { execUs: 10 }), queueFunction(1, { execUs: 10 })];
    const queue = createQueue(gpuQueuePolicies.wfq);
    for (let id = 0; id < 20; id++) queue.push(queuedInvocation(a, id), 0, 0);
    for (let i = 0; i < 10; i++) start(queue);
    for (let id = 20; id < 30; id++) queue.push(queuedInvocation(b, id), 0, 0);
    const served = Array.from({ length: 10 }, () => start(queue).fn);
    expect(served.filter((fn) => fn === b).length).toBe(5);
  });

  it('does not charge for one that leaves unserved', () => {
    const [a, b] = [queueFunction(0, { execUs: 10 }), queueFunction(1, { execUs: 10 })];
    const queue = createQueue(gpuQueuePolicies.wfq);
    const all = [a, a, a, a, b, b].map((fn, id) => queuedInvocation(fn, id));
    for (const one of all) queue.push(one, 0, 0);
    for (const one of all.slice(0, 3)) queue.remove(one);
    // What is left of a has the tag 10, as b's first.
    expect([start(queue).id, start(queue).id, start(queue).id]).toEqual([3, 4, 5]);
  });

  it('charges one that came back again, to its own function', () => {
    const [a, b] = [queueFunction(0, { execUs: 10 }), queueFunction(1, { execUs: 10 })];
    const queue = createQueue(gpuQueuePolicies.wfq);
    for (const [id, fn] of [a, a, a, b, b, b].entries()) queue.push(queuedInvocation(fn, id), 0, 0);
    const first = start(queue);
    queue.ended(first, 0);
    queue.requeue(first, 0);
    expect(start(queue)).toBe(first);
    // Charged 20 by now: b has 10 and 20 before a's next, which has 30.
    expect([start(queue).id, start(queue).id, start(queue).id]).toEqual([3, 4, 1]);
  });

  it('does not let the second start of one move the virtual time, at the cost of those that arrive then', () => {
    const [a, b] = [queueFunction(0, { execUs: 10 }), queueFunction(1, { execUs: 10 })];
    const queue = createQueue(gpuQueuePolicies.wfq);
    for (let id = 0; id < 3; id++) queue.push(queuedInvocation(a, id), 0, 0);
    const first = start(queue);
    queue.ended(first, 0);
    queue.requeue(first, 0);
    start(queue);
    // v is 10 still: b has the tag 20 and a's next 30.
    queue.push(queuedInvocation(b, 3), 0, 0);
    expect([start(queue).id, start(queue).id]).toEqual([3, 1]);
  });

  it('charges a function that never ran what it is told to', () => {
    const [known, unknown] = [queueFunction(0, { execUs: 4000 }), queueFunction(1)];
    const queue = createQueue(gpuQueuePolicies.wfq, { unknownMs: 10 });
    for (const [id, fn] of [unknown, known, known, known].entries()) queue.push(queuedInvocation(fn, id), 0, 0);
    expect([start(queue).id, start(queue).id, start(queue).id, start(queue).id]).toEqual([1, 2, 0, 3]);
  });

  it('refuses weights that are no shares', () => {
    for (const weight of [0, -1, Number.POSITIVE_INFINITY]) {
      const make = (): unknown => createQueue(gpuQueuePolicies.wfq, { weights: { 'f0-1': weight } });
      expect(classThrown(make)).toBe('invalid');
    }
    expect(classThrown(() => createQueue(gpuQueuePolicies.wfq, { weights: { 'f0-1': 0.25 } }))).toBe('nothing');
  });

  it('keeps what two backlogged functions are served within the bound, over any window', () => {
    const weight = fc.integer({ min: 1, max: 8 });
    const times = fc.array(fc.integer({ min: 1, max: 100 }), { minLength: 40, maxLength: 40 });
    // What a third function does meanwhile: how many it adds before a start, and whether its oldest gives up.
    const third = fc.array(fc.record({ added: fc.nat(3), gaveUp: fc.boolean() }), { minLength: 40, maxLength: 40 });
    fc.assert(
      fc.property(weight, weight, weight, times, times, third, (w0, w1, w2, times0, times1, meanwhile) => {
        const queue = new WfqQueue({ 'f0-1': w0, 'f1-1': w1, 'f2-1': w2 }, 1);
        const functions = [queueFunction(0), queueFunction(1), queueFunction(2, { execUs: 30 })] as FunctionRecord[];
        const service = new Map<Invocation, number>();
        let id = 0;
        for (let i = 0; i < 40; i++) {
          for (const [index, list] of [times0, times1].entries()) {
            const fn = functions[index] as FunctionRecord;
            fn.stats.gpu.exec.average = list[i] as number;
            const one = queuedInvocation(fn, id++);
            service.set(one, list[i] as number);
            queue.push(one);
          }
        }
        // Work over weight of each start while both have something queued: positive for the first, negative for the second.
        const differences: number[] = [];
        const left = [40, 40];
        const others: Invocation[] = [];
        for (const { added, gaveUp } of meanwhile) {
          for (let i = 0; i < added; i++) {
            const one = queuedInvocation(functions[2] as FunctionRecord, id++);
            others.push(one);
            queue.push(one);
          }
          if (gaveUp && others.length > 0) queue.remove(others.shift() as Invocation);
          const chosen = start(queue);
          const index = functions.indexOf(chosen.fn);
          if (index === 2) {
            others.splice(others.indexOf(chosen), 1);
            continue;
          }
          left[index] = (left[index] as number) - 1;
          if (left[index] === 0) break;
          const served = service.get(chosen) as number;
          differences.push(index === 0 ? served / w0 : -served / w1);
        }
        const bound = Math.max(...times0) / w0 + Math.max(...times1) / w1;
        let greatest = 0;
        for (let from = 0; from < differences.length; from++) {
          let difference = 0;
          for (let to = from; to < differences.length; to++) {
            difference += differences[to] as number;
            greatest = Math.max(greatest, Math.abs(difference));
          }
        }
        expect(greatest).toBeLessThanOrEqual(bound + 1e-9);
      }),
      { numRuns: 1000 },
    );
  });
});
