import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { mqfqPolicies } from '../../../src/core/queue/mqfq/policies.js';
import { queueFunction } from '../conformance/queue-policy.js';
import { Driver, functions, MS, mqfq, type Variant } from './mqfq-support.js';

const variants = Object.keys(mqfqPolicies) as Variant[];
const anyVariant = fc.constantFrom(...variants);

/** Index into a list, whatever its length. */
function pickFrom<T>(items: readonly T[], pick: number): T {
  return items[pick % items.length] as T;
}

describe('mqfq, any history', () => {
  const step = fc.record({
    kind: fc.constantFrom('push', 'push', 'push', 'take', 'take', 'end', 'requeue', 'drop', 'park', 'unpark'),
    pick: fc.nat(1000),
  });

  it('serves something whenever something is queued, nothing throttled, and its books close at zero', () => {
    fc.assert(
      fc.property(
        anyVariant,
        fc.constantFrom(0, 5, 40, 1000),
        fc.constantFrom(-1, 0, 30),
        fc.array(step, { maxLength: 80 }),
        (variant, allowedOverrunMs, ttlMs, steps) => {
          const all = [0, 7, 20, 33].map((ms, index) => {
            const fn = queueFunction(index, { execUs: ms * MS, warmGpu: index % 2 });
            if (index > 1) fn.stats.interArrival.add(index * 10 * MS);
            return fn;
          });
          const d = new Driver(mqfq(variant, { allowedOverrunMs, ttlMs, weights: { 'f1-1': 3 } }, 2));
          const { queue } = d;
          const held: Invocation[] = [];
          const running: Invocation[] = [];
          const parked: Invocation[] = [];
          const choose = (device: number): Invocation | null => {
            const chosen = queue.choose(device, d.now);
            expect(queue.choose(device, d.now)).toBe(chosen);
            expect(chosen === null).toBe(held.length === 0);
            if (chosen !== null) expect(d.flow(chosen.fn).state).toBe('active');
            return chosen;
          };
          const leave = (one: Invocation): void => {
            held.splice(held.indexOf(one), 1);
            queue.remove(one);
          };
          const take = (pick: number): void => {
            const chosen = choose(pick % 2);
            if (chosen === null) return;
            leave(chosen);
            queue.started(chosen, d.now);
            running.push(chosen);
          };
          const back = (one: Invocation): void => {
            queue.requeue(one, d.now);
            held.push(one);
          };
          let servedAt = 0;
          for (const { kind, pick } of steps) {
            d.now += pick * 50;
            if (kind === 'push') held.push(d.one(pickFrom(all, pick)));
            else if (kind === 'take') {
              take(pick);
              // From one start to the next virtual time does not fall.
              expect(d.virtualMs).toBeGreaterThanOrEqual(servedAt);
              servedAt = d.virtualMs;
            } else if (kind === 'end' && running.length > 0)
              d.answer(running.splice(pick % running.length, 1)[0] as Invocation);
            else if (kind === 'requeue' && running.length > 0) {
              const one = running.splice(pick % running.length, 1)[0] as Invocation;
              d.end(one);
              back(one);
            } else if (kind === 'drop' && held.length > 0) leave(pickFrom(held, pick));
            else if (kind === 'park') {
              const chosen = choose(0);
              if (chosen === null) continue;
              leave(chosen);
              parked.push(chosen);
            } else if (kind === 'unpark' && parked.length > 0)
              back(parked.splice(pick % parked.length, 1)[0] as Invocation);
            const { flows, pendingUs, runningUs } = queue.report(d.now);
            const sum = (of: (flow: (typeof flows)[number]) => number): number =>
              flows.reduce((all, flow) => all + of(flow), 0);
            expect([sum((flow) => flow.queued), sum((flow) => flow.inFlight)]).toEqual([held.length, running.length]);
            expect(sum((flow) => flow.pendingUs)).toBeCloseTo(pendingUs, 3);
            expect(sum((flow) => flow.runningUs)).toBeCloseTo(runningUs, 3);
            for (const fn of all) expect(queue.waitUs(fn, d.now)).toBeGreaterThanOrEqual(0);
          }
          while (held.length > 0) take(0);
          for (const one of running) d.answer(one);
          const end = queue.report(d.now);
          expect([queue.length, end.pendingUs, end.runningUs]).toEqual([0, 0, 0]);
          expect(end.flows.filter((flow) => flow.inFlight !== 0 || flow.pendingUs !== 0)).toEqual([]);
          // All graces are over in the end.
          expect(queue.report(d.now + 10_000_000).activeFlows).toBe(0);
        },
      ),
      { numRuns: 600 },
    );
  });

  it('is never changed by being looked at', () => {
    fc.assert(
      fc.property(
        anyVariant,
        fc.array(step, { maxLength: 60 }),
        fc.array(fc.nat(3), { maxLength: 60 }),
        (variant, steps, looks) => {
          const play = (looking: boolean): string => {
            const d = new Driver(mqfq(variant, { ttlMs: -2, selectCount: 0.5, allowedOverrunMs: 30 }, 1, 5));
            const all = functions(5, 9, 14);
            const running: Invocation[] = [];
            const trace: unknown[] = [];
            for (const [index, { kind, pick }] of steps.entries()) {
              d.now += pick * 30;
              const fn = pickFrom(all, pick);
              if (looking && looks[index] === 0) d.queue.report(d.now);
              if (looking && looks[index] === 1) d.queue.waitUs(fn, d.now);
              if (looking && looks[index] === 2) d.queue.hitProbability(fn);
              if (kind === 'push') {
                fn.stats.interArrival.add(pick * 10);
                d.one(fn);
              } else if (kind === 'take' && d.queue.length > 0) {
                running.push(d.next());
                trace.push(running.at(-1)?.id);
              } else if (running.length > 0) d.answer(running.shift() as Invocation);
            }
            trace.push(
              d.queue.report(d.now),
              all.map((fn) => d.queue.hitProbability(fn)),
            );
            return JSON.stringify(trace);
          };
          expect(play(true)).toBe(play(false));
        },
      ),
      { numRuns: 200 },
    );
  });
});

interface Load {
  readonly variant: Variant;
  readonly allowedOverrunMs: number;
  readonly tokens: number;
  readonly execMs: readonly [number, number, number];
  readonly weights: readonly [number, number];
  readonly picks: readonly number[];
}

/** Greatest minus least of what is noted: the greatest difference over any window. */
class Spread {
  #least = 0;
  #greatest = 0;

  note(value: number): void {
    this.#least = Math.min(this.#least, value);
    this.#greatest = Math.max(this.#greatest, value);
  }

  get width(): number {
    return this.#greatest - this.#least;
  }
}

/**
 * f0 and f1 always have something queued, others come and go. The difference of the weighted service of f0 and f1 that was started, and that was finished;
 * ms.
 */
function spreads(load: Load): { started: number; finished: number } {
  const { variant, allowedOverrunMs, tokens, execMs, picks } = load;
  const all = functions(...execMs);
  const [f0, f1, f2] = all as [FunctionRecord, FunctionRecord, FunctionRecord];
  const weights = { [f0.key]: load.weights[0], [f1.key]: load.weights[1] };
  const d = new Driver(mqfq(variant, { allowedOverrunMs, weights }, tokens));
  const running: { one: Invocation; end: number }[] = [];
  const [started, finished] = [new Spread(), new Spread()];
  let [startedBy, finishedBy] = [0, 0];
  const shareOf = (fn: FunctionRecord): number => {
    if (fn === f0) return execMs[0] / load.weights[0];
    return fn === f1 ? -execMs[1] / load.weights[1] : 0;
  };
  const fill = (): void => {
    for (const fn of [f0, f1])
      d.push(fn, Math.max(0, 3 - (d.queue.report(d.now).flows.find((flow) => flow.function === fn.key)?.queued ?? 0)));
  };
  fill();
  for (const pick of picks) {
    if (pick % 4 === 0) d.push(f2, 1 + (pick % 3));
    // What leaves unserved is not service.
    if (pick % 5 === 0) d.queue.remove(d.one(pick % 2 === 0 ? f0 : f1));
    while (running.length < tokens) {
      fill();
      const one = d.next();
      running.push({ one, end: d.now + one.fn.stats.gpu.exec.average });
      startedBy += shareOf(one.fn);
      started.note(startedBy);
    }
    running.sort((a, b) => a.end - b.end);
    const { one, end } = running.shift() as { one: Invocation; end: number };
    d.now = end;
    d.answer(one);
    finishedBy += shareOf(one.fn);
    finished.note(finishedBy);
  }
  return { started: started.width, finished: finished.width };
}

/**
 * Let c be service / weight of a flow. A flow is served only while S − VT ≤ T, which adds c to S: so VT ≤ S ≤ VT + T + c for each backlogged flow, always
 * (one that becomes backlogged keeps an S that was within it before, or gets VT; VT does not fall). What a flow has started in a window, divided by its
 * weight, is the growth of its S. For two flows that stay backlogged the difference of these is that of S₁ − S₂ at the window's end and at its begin, each
 * within ±(T + c):
 *
 *   |W₁/w₁ − W₂/w₂| ≤ 2T + c₁ + c₂          of what is started in the window
 *
 * What is finished in it differs from that by what is in flight at its begin and at its end, at most D invocations at each for D tokens:
 *
 *   |W₁/w₁ − W₂/w₂| ≤ 2T + (D + 1)(c₁ + c₂)  of what is finished in the window
 */
describe('mqfq, fairness', () => {
  it('keeps two backlogged flows within its bound over every window', () => {
    const exec = fc.integer({ min: 1, max: 50 });
    const weight = fc.constantFrom(0.5, 1, 2, 3.7);
    fc.assert(
      fc.property(
        fc.record({
          variant: anyVariant,
          allowedOverrunMs: fc.constantFrom(0, 1, 10, 60, 300),
          tokens: fc.integer({ min: 1, max: 4 }),
          execMs: fc.tuple(exec, exec, exec),
          weights: fc.tuple(weight, weight),
          picks: fc.array(fc.nat(1000), { minLength: 50, maxLength: 200 }),
        }),
        (load) => {
          const charges = load.execMs[0] / load.weights[0] + load.execMs[1] / load.weights[1];
          const { started, finished } = spreads(load);
          expect(started).toBeLessThanOrEqual(2 * load.allowedOverrunMs + charges + 1e-6);
          expect(finished).toBeLessThanOrEqual(2 * load.allowedOverrunMs + (load.tokens + 1) * charges + 1e-6);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('uses the lead it is allowed: the bound is not a loose one', () => {
    const load = { tokens: 1, execMs: [10, 10, 10], weights: [1, 1], picks: Array<number>(400).fill(1) } as const;
    const started = (variant: Variant, allowedOverrunMs: number): number =>
      spreads({ ...load, variant, allowedOverrunMs }).started;
    // Sticky serves f0 while S − VT ≤ T, eleven times for T = 100; then f1 until it is as far ahead: from +110 to −110, which is 2T + 2c.
    expect(started('mqfq_sticky', 100)).toBe(220);
    expect(started('mqfq_sticky', 0)).toBe(20);
    expect(started('mqfq', 100)).toBe(10);
  });
});
