import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { createPolicy, type PolicyEntry, type PolicyParameters } from '../../../src/core/policy.js';
import type { QueuePolicy } from '../../../src/core/queue/queue-policy.js';
import { seededRandom } from '../../../src/core/random.js';
import { FunctionStats } from '../../../src/core/stats.js';
import { Harness, spec } from '../support/harness.js';

/** In what a policy may differ from the strictest reading of the interface. */
export interface QueueTraits {
  /** While something it gave runs, it may keep back what it holds (batches, throttled flows). */
  readonly holdsBack?: boolean;
  /** One that comes back is the first of its own function only, and its function waits for its turn. */
  readonly returnsToFlow?: boolean;
}

type StepKind = 'push' | 'take' | 'end' | 'drop' | 'park' | 'requeue';

/** What every queue policy must do, whatever its order. */
export function queuePolicyConformance(entry: PolicyEntry<QueuePolicy>, traits: QueueTraits = {}): void {
  const { holdsBack = false, returnsToFlow = false } = traits;
  const create = (): QueuePolicy => createQueue(entry);
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
      for (const invocation of ofOneFunction(3)) queue.push(invocation, 100, 0);
      const chosen = queue.choose(device, 0);
      expect(chosen).not.toBeNull();
      expect(queue.choose(device, 0)).toBe(chosen);
      expect(queue.length).toBe(3);
      queue.remove(chosen as Invocation);
      expect(queue.length).toBe(2);
      expect(queue.choose(device, 0)).not.toBe(chosen);
    });

    it('starts and ends what never was in it without counting it', () => {
      const queue = create();
      const [passed, queued] = ofOneFunction(2) as [Invocation, Invocation];
      queue.started(passed, 0);
      queue.push(queued, 100, 10);
      expect(queue.length).toBe(1);
      queue.ended(passed, 20);
      expect(queue.choose(device, 20)).toBe(queued);
    });

    it('gives back everything that was put in, once, and nothing else, and never idles', () => {
      const step = fc.record({
        kind: fc.constantFrom<StepKind>('push', 'push', 'take', 'take', 'end', 'drop', 'park', 'requeue'),
        pick: fc.nat(1000),
      });
      fc.assert(
        fc.property(fc.array(step, { maxLength: 40, size: 'max' }), (steps) => {
          const queue = create();
          const functions = [
            queueFunction(0),
            queueFunction(1, { execUs: 100, state: 'warm', warmGpu: 0 }),
            queueFunction(2, { execUs: 200, state: 'warm', warmGpu: 1 }),
          ];
          const held = new Set<Invocation>();
          const returned = new Set<Invocation>();
          const running: Invocation[] = [];
          const waiting: Invocation[] = [];
          let [now, id] = [0, 0];
          const choose = (): Invocation | null => {
            const chosen = queue.choose(device, now);
            if (chosen === null) {
              if (!holdsBack || running.length === 0) expect(held.size).toBe(0);
              return null;
            }
            expect(held.has(chosen)).toBe(true);
            if (running.length > 0 && holdsBack) return chosen;
            const elders = [...returned].filter((one) => one.id < chosen.id);
            expect(elders.filter((one) => !returnsToFlow || one.fn === chosen.fn)).toEqual([]);
            return chosen;
          };
          const leave = (one: Invocation): void => {
            held.delete(one);
            returned.delete(one);
            queue.remove(one);
          };
          const start = (chosen: Invocation): void => {
            leave(chosen);
            // An invocation queued for two devices is another object here than the one that runs.
            const real = { ...chosen };
            queue.started(real, now);
            running.push(real);
          };
          for (const { kind, pick } of steps) {
            now += pick;
            if (kind === 'push') {
              const one = queuedInvocation(functions[pick % 3] as FunctionRecord, id++, now);
              held.add(one);
              queue.push(one, pick, now);
            } else if (kind === 'take') {
              const chosen = choose();
              if (chosen !== null) start(chosen);
            } else if (kind === 'end' && running.length > 0) {
              queue.ended(running.splice(pick % running.length, 1)[0] as Invocation, now);
            } else if (kind === 'drop' && held.size > 0) {
              leave([...held][pick % held.size] as Invocation);
            } else if (kind === 'park') {
              const chosen = choose();
              if (chosen === null) continue;
              leave(chosen);
              waiting.push(chosen);
            } else if (kind === 'requeue') {
              let one = waiting.pop();
              if (one === undefined && running.length > 0) {
                one = running.splice(pick % running.length, 1)[0] as Invocation;
                queue.ended(one, now);
              }
              if (one === undefined) continue;
              queue.requeue(one, now);
              held.add(one);
              returned.add(one);
            }
            expect(queue.length).toBe(held.size);
          }
          while (held.size > 0 || running.length > 0) {
            const chosen = choose();
            if (chosen !== null) start(chosen);
            else queue.ended(running.shift() as Invocation, now);
          }
          expect(queue.length).toBe(0);
        }),
        { numRuns: 500 },
      );
    });

    it('keeps the order of arrival within one function', () => {
      const queue = create();
      const all = ofOneFunction(20);
      const takeAndEnd = (): Invocation => {
        const taken = take(queue);
        queue.ended(taken, 0);
        return taken;
      };
      for (const invocation of all) queue.push(invocation, 100, 0);
      const [first, second] = [takeAndEnd(), takeAndEnd()];
      queue.requeue(second, 0);
      queue.requeue(first, 0);
      const order = all.map(() => takeAndEnd().id);
      expect(order).toEqual(all.map(({ id }) => id));
    });

    if (holdsBack) return;

    it('keeps it also while nothing has ended', () => {
      const queue = create();
      const all = ofOneFunction(20);
      for (const invocation of all) queue.push(invocation, 100, 0);
      const [first, second] = [take(queue), take(queue)];
      queue.ended(second, 0);
      queue.requeue(second, 0);
      queue.ended(first, 0);
      queue.requeue(first, 0);
      expect(all.map(() => take(queue).id)).toEqual(all.map(({ id }) => id));
    });
  });
}

export function createQueue(entry: PolicyEntry<QueuePolicy>, parameters: PolicyParameters = {}): QueuePolicy {
  return createPolicy(entry, parameters, { random: seededRandom(1), parallelism: 4 });
}

/** A function as a queue policy sees it, with what a test says of it. */
export function queueFunction(
  index: number,
  known: { execUs?: number; state?: 'cold' | 'prewarm' | 'warm'; warmGpu?: number; running?: number } = {},
): FunctionRecord {
  const { execUs = 0, state = 'cold', warmGpu = -1, running = 0 } = known;
  const stats = new FunctionStats();
  if (execUs > 0) for (const device of [stats.cpu, stats.gpu]) device.exec.add(execUs);
  const name = `f${index}`;
  return {
    key: `${name}-1`,
    spec: spec({ name }),
    index,
    stats,
    queued: 0,
    running,
    containers: 0,
    removed: false,
    stateOn: () => state,
    warmOn: (device) => device >= 0 && device === warmGpu,
  };
}

export function queuedInvocation(fn: FunctionRecord, id: number, enqueuedAt = 0): Invocation {
  return {
    id,
    fn,
    device: 'gpu',
    tid: `t${id}`,
    payload: null,
    sink: { settled() {} },
    enqueuedAt,
    deadline: Number.POSITIVE_INFINITY,
    dispatchedAt: 0,
    runningAt: 0,
    attempts: 0,
    containerState: null,
    container: null,
    failedAttempts: null,
    phase: 'queued',
    queueNode: null,
  };
}

function ofOneFunction(count: number): Invocation[] {
  const fn = queueFunction(0);
  return Array.from({ length: count }, (_, id) => queuedInvocation(fn, id));
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
