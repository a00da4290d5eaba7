import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation } from '../../../src/core/invocation.js';
import { queuedInvocation, queueFunction } from '../conformance/queue-policy.js';
import { classThrown } from '../support/harness.js';
import { Driver, functions, MS, mqfq } from './mqfq-support.js';

describe('mqfq, virtual time', () => {
  it('follows a worked example', () => {
    // T = 150 ms; f0 executes for 100 ms, f1 for 60 ms.
    const [f0, f1] = functions(100, 60) as [FunctionRecord, FunctionRecord];
    const d = new Driver(mqfq('mqfq_sticky', { allowedOverrunMs: 150 }, 2));
    d.push(f0, 3); // tags 0–100, 100–200, 200–300
    d.push(f1, 2); // tags 0–60, 60–120
    expect([d.tags(f0), d.tags(f1), d.virtualMs]).toEqual([[0, 300, 'active'], [0, 120, 'active'], 0]);

    d.next(); // equal start tags: f0, seen first. Its S is 100, VT is f1's 0.
    expect([d.tags(f0), d.virtualMs]).toEqual([[100, 300, 'active'], 0]);
    d.next(); // sticky: f0 again, 100 − 0 ≤ T. Its S is 200: 200 − 0 > T.
    expect([d.tags(f0), d.flow(f0).inFlight, d.virtualMs]).toEqual([[200, 300, 'throttled'], 2, 0]);

    d.next(); // f1; its S is 60, and so is VT: f0 is ahead by 140 only.
    expect([d.tags(f0), d.tags(f1), d.virtualMs]).toEqual([[200, 300, 'active'], [60, 120, 'active'], 60]);
    d.next(); // sticky: f1 again, which is then empty. VT is that of f0.
    expect([d.tags(f1), d.virtualMs]).toEqual([[120, 120, 'active'], 200]);

    d.push(f1); // S = max(VT 200, F 120) = 200: what it did not use it does not save up.
    expect(d.tags(f1)).toEqual([200, 260, 'active']);
    expect(d.order(2)).toBe('f1 f0');
    // Nothing is queued: VT stays at what it was last, f0's start tag.
    expect([d.tags(f0), d.tags(f1), d.virtualMs, d.queue.length]).toEqual([
      [300, 300, 'active'],
      [260, 260, 'active'],
      200,
      0,
    ]);
  });

  it('charges by weight', () => {
    const [f0, f1] = functions(100, 100) as [FunctionRecord, FunctionRecord];
    const d = new Driver(mqfq('mqfq', { weights: { [f1.key]: 2 } }));
    d.push(f0, 4);
    d.push(f1, 6);
    expect([d.tags(f0)[1], d.tags(f1)[1]]).toEqual([400, 300]);
    // Least S first, equal ones f0: twice as many of f1.
    expect(d.order(9)).toBe('f0 f1 f1 f0 f1 f1 f0 f1 f1');
  });

  it('charges what is set, what is measured, or a tenth of T', () => {
    const [known, unknown] = [queueFunction(0, { execUs: 40 * MS }), queueFunction(1)];
    const charges = (parameters: Record<string, number>): number[] => {
      const d = new Driver(mqfq('mqfq', { allowedOverrunMs: 500, ...parameters }));
      d.push(known);
      d.push(unknown);
      return [d.flow(known).pendingUs, d.flow(unknown).pendingUs];
    };
    expect(charges({})).toEqual([40 * MS, 50 * MS]);
    expect(charges({ serviceMs: 7 })).toEqual([7 * MS, 7 * MS]);
    // Were it 0, the flow would never move on and could not be overtaken.
    expect(charges({ allowedOverrunMs: 0 })).toEqual([40 * MS, 1]);
  });

  it('does not let weights be what cannot be a share', () => {
    for (const weight of [0, -1, Number.POSITIVE_INFINITY]) {
      expect(classThrown(() => mqfq('mqfq', { weights: { 'f0-1': weight } }))).toBe('invalid');
    }
    expect(classThrown(() => mqfq('mqfq', { estimation: 'V4' }))).toBe('invalid');
    // A function may have any name, also one that plain objects have.
    const odd = { ...queueFunction(0), key: 'constructor' };
    const d = new Driver(mqfq('mqfq', { serviceMs: 5 }));
    d.push(odd);
    expect(d.flow(odd).pendingUs).toBe(5 * MS);
  });
});

describe('mqfq, what leaves and comes back', () => {
  const [f0, f1] = functions(100, 100) as [FunctionRecord, FunctionRecord];

  it('gives its charge back to one that leaves without having been started, and never counts it as in flight', () => {
    const d = new Driver(mqfq('mqfq'));
    const [a, b, c] = d.push(f0, 3) as [Invocation, Invocation, Invocation];
    d.queue.remove(b);
    expect([d.tags(f0), d.flow(f0).inFlight]).toEqual([[0, 200, 'active'], 0]);
    d.queue.remove(a);
    expect([d.tags(f0), d.flow(f0).queued]).toEqual([[0, 100, 'active'], 1]);
    d.queue.remove(c);
    expect([d.tags(f0), d.flow(f0).inFlight, d.queue.report(0).pendingUs]).toEqual([[0, 0, 'active'], 0, 0]);
  });

  it('puts one that comes back at the front of its flow and charges it once', () => {
    const d = new Driver(mqfq('mqfq'));
    const [a, b] = d.push(f0, 2) as [Invocation, Invocation];
    d.start(a);
    expect(d.tags(f0)).toEqual([100, 200, 'active']);
    d.end(a);
    d.queue.requeue(a as never, 0);
    expect([d.tags(f0), d.flow(f0).inFlight, d.flow(f0).queued]).toEqual([[100, 200, 'active'], 0, 2]);
    expect(d.next()).toBe(a);
    expect([d.tags(f0), d.flow(f0).inFlight]).toEqual([[100, 200, 'active'], 1]);
    expect(d.next()).toBe(b);
    expect(d.tags(f0)).toEqual([200, 200, 'active']);
  });

  it('charges one that was parked when it starts at last', () => {
    const d = new Driver(mqfq('mqfq'));
    const a = d.one(f0);
    d.push(f1, 2);
    d.queue.remove(a);
    d.next(); // f1; VT is now 100
    d.queue.requeue(a as never, 0);
    expect(d.tags(f0)).toEqual([100, 200, 'active']);
    d.start(a);
    expect(d.tags(f0)).toEqual([200, 200, 'active']);
  });

  it('lets a flow keep its place when the next of it comes back while the one before is taken out', () => {
    const d = new Driver(mqfq('mqfq'));
    const [a, b] = d.push(f0, 2) as [Invocation, Invocation];
    d.queue.remove(b); // parked
    d.push(f1);
    d.start(d.one(f1)); // f1: S = 100
    d.queue.remove(a);
    expect(d.virtualMs).toBe(100); // f0 is not backlogged at this moment
    d.queue.requeue(b, 0);
    d.queue.started(a, 0);
    // As if a had been started with b behind it. Taken for one that was away, it would be charged max(0, 100) + 100.
    expect([d.tags(f0), d.virtualMs]).toEqual([[100, 200, 'active'], 100]);
  });

  it('knows one that was started as another object of the same invocation', () => {
    const d = new Driver(mqfq('mqfq'));
    const standIn = d.one(f0);
    d.queue.remove(standIn);
    const real = { ...standIn };
    d.queue.started(real, 0);
    d.queue.ended(real, 0);
    d.queue.requeue(real, 0);
    expect(d.queue.choose(0, 0)).toBe(real);
    expect(d.tags(f0)).toEqual([100, 100, 'active']);
  });

  it('charges also what started without having been queued', () => {
    const d = new Driver(mqfq('mqfq'));
    d.queue.remove(d.one(f0)); // seen when VT was 0
    d.push(f1, 3);
    d.next();
    d.next(); // VT 200
    const passed = queuedInvocation(f0, 99);
    d.queue.started(passed, 0);
    expect([d.tags(f0), d.flow(f0).inFlight]).toEqual([[300, 300, 'active'], 1]);
    d.end(passed);
    expect(d.flow(f0).inFlight).toBe(0);
  });
});

describe('mqfq, grace of idle flows', () => {
  it('makes a flow inactive at the end of its TTL, whoever looks when', () => {
    const [f0] = functions(100) as [FunctionRecord];
    const d = new Driver(mqfq('mqfq', { ttlMs: 50 }));
    d.now = 1000 * MS;
    const a = d.one(f0);
    d.next();
    d.now = 1100 * MS;
    expect(d.tags(f0)[2]).toBe('active'); // in flight, however long
    d.end(a);
    d.now = 1150 * MS - 1;
    expect([d.tags(f0)[2], d.flow(f0).averageActiveUs, d.queue.report(d.now).activeFlows]).toEqual(['active', 0, 1]);
    d.now = 1150 * MS;
    expect([d.tags(f0)[2], d.queue.report(d.now).activeFlows]).toEqual(['inactive', 0]);
    // Active from 1000 to 1150 ms.
    expect([d.flow(f0).averageActiveUs, d.flow(f0).activePeriods]).toEqual([150 * MS, 1]);

    d.now = 5000 * MS;
    const b = d.one(f0);
    expect([d.tags(f0)[2], d.flow(f0).activePeriods]).toEqual(['active', 2]);
    d.next();
    d.end(b);
    // Nobody looks before the next arrival: the second period was 0 + 50 ms all the same. Mean of 150 and 50.
    d.now = 9000 * MS;
    const third = d.one(f0);
    expect([d.flow(f0).averageActiveUs, d.flow(f0).activePeriods]).toEqual([100 * MS, 3]);
    d.queue.remove(third);
    d.now = 9050 * MS;
    // Withdrawn at once: 50 ms of grace. (2·100 + 50) / 3.
    expect(d.flow(f0).averageActiveUs).toBeCloseTo((250 / 3) * MS, 6);
  });

  it('stays active when it is called again within its grace', () => {
    const [f0] = functions(100) as [FunctionRecord];
    const d = new Driver(mqfq('mqfq', { ttlMs: 50 }));
    for (d.now = 0; d.now < 400 * MS; d.now += 40 * MS) {
      d.one(f0);
      d.end(d.next());
    }
    d.now = 10_000 * MS;
    // Ten calls, the last at 360 ms: one period up to 410 ms.
    expect([d.flow(f0).averageActiveUs, d.flow(f0).activePeriods]).toEqual([410 * MS, 1]);
  });

  it('can be a multiple of the mean inter-arrival time', () => {
    const [f0, f1] = functions(100, 100) as [FunctionRecord, FunctionRecord];
    f0.stats.interArrival.add(30 * MS);
    const d = new Driver(mqfq('mqfq', { ttlMs: -3 }, 2));
    for (const fn of [f0, f1]) d.push(fn);
    for (const started of [d.next(), d.next()]) d.end(started);
    d.now = 90 * MS - 1;
    expect([d.tags(f0)[2], d.tags(f1)[2]]).toEqual(['active', 'active']);
    d.now = 90 * MS;
    expect([d.tags(f0)[2], d.tags(f1)[2]]).toEqual(['inactive', 'active']);
    d.now = 2000 * MS; // the default, as long as no interval was seen
    expect(d.tags(f1)[2]).toBe('inactive');
  });

  it('gives the chance of a warm container from active periods and arrivals', () => {
    const [f0] = functions(100) as [FunctionRecord];
    const d = new Driver(mqfq('mqfq', { ttlMs: 50 }));
    expect(d.queue.hitProbability(f0)).toBe(0);
    const a = d.one(f0);
    d.next();
    d.end(a);
    d.now = 100 * MS;
    d.push(f0);
    expect(d.queue.hitProbability(f0)).toBe(0); // intervals unknown
    f0.stats.interArrival.add(100 * MS);
    expect(d.queue.hitProbability(f0)).toBeCloseTo(1 - Math.exp(-0.5), 12);
  });

  it('remembers no function that is gone for long', () => {
    const d = new Driver(mqfq('mqfq', { ttlMs: 0 }));
    for (let index = 0; index < 1000; index++) {
      const fn = queueFunction(index);
      d.push(fn);
      d.end(d.next());
      fn.removed = true;
    }
    expect(d.queue.report(0).flows.length).toBeLessThanOrEqual(16);
  });

  it('reports all of it as plain JSON', () => {
    const [f0, f1] = functions(100, 50) as [FunctionRecord, FunctionRecord];
    const d = new Driver(mqfq('mqfq', {}, 2));
    d.push(f0, 2);
    d.push(f1);
    d.next();
    const flow = { state: 'active', averageActiveUs: 0, activePeriods: 1, queued: 1 };
    expect(JSON.parse(JSON.stringify(d.queue.report(0)))).toEqual({
      virtualTimeUs: 0,
      flows: [
        {
          ...flow,
          function: f0.key,
          startUs: 100_000,
          finishUs: 200_000,
          inFlight: 1,
          runningUs: 100_000,
          pendingUs: 100_000,
        },
        { ...flow, function: f1.key, startUs: 0, finishUs: 50_000, inFlight: 0, runningUs: 0, pendingUs: 50_000 },
      ],
      activeFlows: 2,
      runningUs: 100_000,
      pendingUs: 150_000,
    });
  });
});
