import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { BatchQueue } from '../../../src/core/queue/batches.js';
import { gpuQueuePolicies } from '../../../src/core/queue/gpu-policies.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { createQueue, queuedInvocation, queueFunction } from '../conformance/queue-policy.js';

const NO_LIMIT = Number.POSITIVE_INFINITY;

/** `abba`: an invocation each of the functions a, b, b, a; ids from `from`. */
function fill(queue: QueuePolicy, letters: string, functions = table(), from = 0): Map<number, Invocation> {
  const made = new Map<number, Invocation>();
  [...letters].forEach((letter, i) => {
    const one = queuedInvocation(functions.get(letter) as FunctionRecord, from + i);
    made.set(one.id, one);
    queue.push(one, 0, 0);
  });
  return made;
}

function table(): Map<string, FunctionRecord> {
  return new Map([...'abcdef'].map((letter, index) => [letter, queueFunction(index)]));
}

function start(queue: QueuePolicy, device = 0): Invocation {
  const chosen = queue.choose(device, 0) as Invocation;
  queue.remove(chosen);
  queue.started(chosen, 0);
  return chosen;
}

function drain(queue: QueuePolicy): number[] {
  const order: number[] = [];
  while (queue.length > 0) {
    const one = start(queue);
    queue.ended(one, 0);
    order.push(one.id);
  }
  return order;
}

function orderOf(queue: QueuePolicy, letters: string): number[] {
  fill(queue, letters);
  return drain(queue);
}

describe('which invocations become a batch', () => {
  it('fcfs: what arrives at the tail', () => {
    expect(orderOf(createQueue(gpuQueuePolicies.fcfs), 'aabaab')).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('oldest_batch: all of a function', () => {
    expect(orderOf(createQueue(gpuQueuePolicies.oldest_batch), 'abacbca')).toEqual([0, 2, 6, 1, 4, 3, 5]);
  });

  it('sized_batch: as many as a batch takes, and the next batch waits for its own turn', () => {
    const queue = createQueue(gpuQueuePolicies.sized_batch, { batchSize: 2 });
    expect(orderOf(queue, 'abaaabb')).toEqual([0, 2, 1, 5, 3, 4, 6]);
    const ten = createQueue(gpuQueuePolicies.sized_batch);
    expect(orderOf(ten, 'abaaaaaaaaaaa').indexOf(1)).toBe(10);
  });

  it('dynamic_batch: within the window, up to its size', () => {
    const queue = createQueue(gpuQueuePolicies.dynamic_batch, { window: 2, batchSize: 3 });
    // a joins over b; c puts the first batch out of sight; the last a founds one of its own.
    expect(orderOf(queue, 'abaca')).toEqual([0, 2, 1, 3, 4]);
    expect(orderOf(createQueue(gpuQueuePolicies.dynamic_batch), 'abacadaeaa')).toEqual([0, 2, 4, 6, 1, 3, 5, 7, 8, 9]);
  });
});

describe('an open batch', () => {
  it('is held back while one of its items runs, and continued when that ends', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    fill(queue, 'aabbc');
    const first = start(queue);
    expect(first.id).toBe(0);
    const second = start(queue);
    expect(second.id).toBe(2);
    expect(start(queue).id).toBe(4);
    expect(queue.choose(0, 0)).toBeNull();
    queue.ended(second, 0);
    expect(start(queue).id).toBe(3);
    expect(queue.choose(0, 0)).toBeNull();
    queue.ended(first, 0);
    expect(start(queue).id).toBe(1);
    expect(queue.length).toBe(0);
  });

  it('is joined by nobody', () => {
    for (const entry of Object.values(gpuQueuePolicies).slice(0, 6)) {
      if (entry === gpuQueuePolicies.sjf || entry === gpuQueuePolicies.eedf) continue;
      const queue = createQueue(entry);
      const functions = table();
      fill(queue, 'aab', functions);
      const first = start(queue);
      fill(queue, 'a', functions, 3);
      queue.ended(first, 0);
      expect(drain(queue)).toEqual([1, 2, 3]);
    }
  });

  it('loses what leaves it unstarted, and nothing else', () => {
    const queue = createQueue(gpuQueuePolicies.oldest_batch);
    const made = fill(queue, 'aaabaa');
    const first = start(queue);
    queue.remove(made.get(1) as Invocation);
    queue.ended(first, 0);
    queue.remove(made.get(2) as Invocation);
    expect(drain(queue)).toEqual([4, 5, 3]);
  });

  it('is forgotten when the last of it leaves unstarted while it is paused', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    const made = fill(queue, 'aab');
    const first = start(queue);
    queue.ended(first, 0);
    queue.remove(made.get(1) as Invocation);
    expect(drain(queue)).toEqual([2]);
    expect(queue.report?.(0)).toEqual({ waitingBatches: 0, pausedBatches: 0 });
  });

  it('takes back its own, which goes first', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    fill(queue, 'aab');
    const first = start(queue);
    queue.ended(first, 0);
    queue.requeue(first, 0);
    expect(drain(queue)).toEqual([0, 1, 2]);
  });

  it('runs one at a time also after one came back', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    fill(queue, 'aab');
    const first = start(queue);
    queue.ended(first, 0);
    queue.requeue(first, 0);
    expect([start(queue).id, start(queue).id]).toEqual([0, 2]);
    expect(queue.choose(0, 0)).toBeNull();
  });

  it('oldest_batch: one that came back joins what has gathered of its function meanwhile', () => {
    const queue = createQueue(gpuQueuePolicies.oldest_batch);
    const functions = table();
    fill(queue, 'a', functions);
    const first = start(queue);
    fill(queue, 'aab', functions, 1);
    queue.ended(first, 0);
    queue.requeue(first, 0);
    expect([start(queue).id, start(queue).id]).toEqual([0, 3]);
    expect(queue.choose(0, 0)).toBeNull();
  });

  it('yields to one that came back and is older', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    fill(queue, 'abb');
    const [a, b] = [start(queue), start(queue)];
    queue.ended(b, 0);
    queue.ended(a, 0);
    queue.requeue(a, 0);
    expect(drain(queue)).toEqual([0, 2]);
  });

  it('waits for the GPU that has its container, unless there is nothing else to run', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    const functions = table();
    functions.set('a', queueFunction(0, { state: 'warm', warmGpu: 1 }));
    fill(queue, 'aabb', functions);
    const first = start(queue, 1);
    queue.ended(first, 0);
    expect(queue.choose(0, 0)?.id).toBe(2);
    expect(queue.choose(1, 0)?.id).toBe(1);
    start(queue, 0);
    expect(queue.choose(0, 0)?.id).toBe(1);
  });

  it('goes on where it can when its container is gone', () => {
    const queue = createQueue(gpuQueuePolicies.fcfs);
    fill(queue, 'aabb');
    queue.ended(start(queue, 1), 0);
    expect(queue.choose(0, 0)?.id).toBe(1);
  });
});

interface NaiveBatch {
  readonly fn: FunctionRecord;
  readonly items: Invocation[];
  opened: boolean;
  running: Invocation[];
}

/** Batches as lists in a list, in the order they were made; for functions that have no warm container. */
class NaiveBatches {
  readonly size: number;
  readonly window: number;
  batches: NaiveBatch[] = [];
  /** In the order in which they were paused. */
  paused: NaiveBatch[] = [];
  readonly #latest = new Map<FunctionRecord, NaiveBatch>();

  constructor(size: number, window: number) {
    this.size = size;
    this.window = window;
  }

  push(one: Invocation): void {
    const latest = this.#latest.get(one.fn);
    const waiting = this.batches.filter((batch) => !batch.opened && batch.items.length > 0);
    const seen = this.window === NO_LIMIT ? waiting : waiting.slice(-this.window);
    if (latest !== undefined && seen.includes(latest) && latest.items.length < this.size) {
      latest.items.push(one);
      return;
    }
    const batch: NaiveBatch = { fn: one.fn, items: [one], opened: false, running: [] };
    this.batches.push(batch);
    this.#latest.set(one.fn, batch);
  }

  choose(): Invocation | null {
    const paused = this.paused.find((batch) => batch.items.length > 0);
    if (paused !== undefined) return paused.items[0] as Invocation;
    const heads = this.batches.filter((batch) => !batch.opened).flatMap((batch) => batch.items.slice(0, 1));
    return heads.sort((a, b) => a.id - b.id)[0] ?? null;
  }

  leave(one: Invocation): NaiveBatch {
    const batch = this.batches.find(({ items }) => items.includes(one)) as NaiveBatch;
    batch.items.splice(batch.items.indexOf(one), 1);
    return batch;
  }

  start(one: Invocation): void {
    const batch = this.leave(one);
    this.paused = this.paused.filter((other) => other !== batch);
    batch.opened = true;
    batch.running.push(one);
  }

  end(one: Invocation): void {
    const batch = this.batches.find(({ running }) => running.includes(one)) as NaiveBatch;
    batch.running = [];
    if (batch.items.length > 0) this.paused.push(batch);
  }
}

describe('batches under any sequence of events', () => {
  const step = fc.record({ kind: fc.constantFrom('push', 'push', 'push', 'take', 'end', 'drop'), pick: fc.nat(60) });
  const limits = fc.record({
    size: fc.constantFrom(1, 2, 4, 10, NO_LIMIT),
    window: fc.constantFrom(1, 2, 4, NO_LIMIT),
  });

  it('are those that a list of lists, written from the definition, would make', () => {
    fc.assert(
      fc.property(limits, fc.array(step, { maxLength: 60, size: 'max' }), ({ size, window }, steps) => {
        const queue = new BatchQueue(size, window);
        const naive = new NaiveBatches(size, window);
        const functions = [0, 1, 2].map((index) => queueFunction(index));
        const held: Invocation[] = [];
        const running: Invocation[] = [];
        let id = 0;
        for (const { kind, pick } of steps) {
          if (kind === 'push') {
            const one = queuedInvocation(functions[pick % 3] as FunctionRecord, id++);
            held.push(one);
            queue.push(one);
            naive.push(one);
          } else if (kind === 'take') {
            const chosen = queue.choose(0);
            expect(chosen?.id).toBe(naive.choose()?.id);
            if (chosen === null) continue;
            queue.remove(chosen);
            queue.started(chosen);
            naive.start(chosen);
            held.splice(held.indexOf(chosen), 1);
            running.push(chosen);
          } else if (kind === 'end' && running.length > 0) {
            const one = running.splice(pick % running.length, 1)[0] as Invocation;
            queue.ended(one);
            naive.end(one);
          } else if (kind === 'drop' && held.length > 0) {
            const one = held.splice(pick % held.length, 1)[0] as Invocation;
            queue.remove(one);
            naive.leave(one);
          }
        }
      }),
      { numRuns: 4000 },
    );
  });

  it('run whole, one item at a time, within their size, the oldest head first', () => {
    fc.assert(
      fc.property(limits, fc.array(fc.nat(3), { maxLength: 80, size: 'max' }), ({ size, window }, letters) => {
        const queue = new BatchQueue(size, window);
        const functions = [0, 1, 2, 3].map((index) => queueFunction(index));
        const all = letters.map((letter, id) => queuedInvocation(functions[letter] as FunctionRecord, id));
        for (const one of all) queue.push(one);
        // With a token for everybody, the first round starts the heads of all batches, and nothing else.
        const heads: Invocation[] = [];
        for (let chosen = queue.choose(0); chosen !== null; chosen = queue.choose(0)) {
          queue.remove(chosen);
          queue.started(chosen);
          heads.push(chosen);
        }
        expect(heads.map(({ id }) => id)).toEqual(heads.map(({ id }) => id).sort((a, b) => a - b));
        // Each batch alone, to its end.
        const batches = heads.map((head) => {
          const items = [head];
          queue.ended(head);
          for (let next = queue.choose(0); next !== null; next = queue.choose(0)) {
            queue.remove(next);
            queue.started(next);
            queue.ended(next);
            items.push(next);
          }
          return items;
        });
        for (const items of batches) {
          expect(items.length).toBeLessThanOrEqual(size);
          expect(new Set(items.map(({ fn }) => fn)).size).toBe(1);
          expect(items.map(({ id }) => id)).toEqual(items.map(({ id }) => id).sort((a, b) => a - b));
        }
        expect(batches.flat().length).toBe(all.length);
        if (window === NO_LIMIT && size === NO_LIMIT) expect(batches.length).toBe(new Set(letters).size);
        // One after another, they are contiguous: how many later ones overtake is bounded by the window.
        const order = batches.flat().map(({ id }) => id);
        const overtaken = order.map((id, at) => order.slice(0, at).filter((other) => other > id).length);
        const bound = window === 1 || size === 1 ? 0 : (window - 1) * (size - 1);
        expect(Math.max(0, ...overtaken)).toBeLessThanOrEqual(bound);
      }),
      { numRuns: 1000 },
    );
  });

  it('come out whole when there is one token', () => {
    fc.assert(
      fc.property(limits, fc.array(fc.nat(3), { maxLength: 60, size: 'max' }), ({ size, window }, letters) => {
        const queue = new BatchQueue(size, window);
        const functions = [0, 1, 2, 3].map((index) => queueFunction(index));
        for (const [id, letter] of letters.entries()) {
          queue.push(queuedInvocation(functions[letter] as FunctionRecord, id));
        }
        const heads: number[] = [];
        let before: Invocation | null = null;
        for (let one = queue.choose(0); one !== null; one = queue.choose(0)) {
          const followsInBatch = (queue.report() as { pausedBatches: number }).pausedBatches === 1;
          if (followsInBatch) expect(one.fn).toBe((before as unknown as Invocation).fn);
          else heads.push(one.id);
          queue.remove(one);
          queue.started(one);
          queue.ended(one);
          before = one;
        }
        expect(heads).toEqual([...heads].sort((a, b) => a - b));
      }),
      { numRuns: 500 },
    );
  });
});
