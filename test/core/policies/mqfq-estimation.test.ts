import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import { FcfsQueue } from '../../../src/core/queue/fcfs.js';
import { queueFunction } from '../conformance/queue-policy.js';
import { CRASH, first, Harness } from '../support/harness.js';
import { Driver, functions, MS, mqfq } from './mqfq-support.js';

type Three = [FunctionRecord, FunctionRecord, FunctionRecord];
type Parameters = Record<string, number | string | boolean>;

const unseen = queueFunction(9);

/** f0: S 100, F 300, 2 queued, 1 in flight. f1: S 0, F 240, 4 queued, 0 in flight. f2: S 250, F 500, 1 queued, 1 in flight, throttled: T 200, VT 0. */
function scene(parameters: Parameters, parallelism = 1): { d: Driver; waits: (number | undefined)[] } {
  const [f0, f1, f2] = functions(100, 60, 250) as Three;
  const d = new Driver(mqfq('mqfq', { allowedOverrunMs: 200, ...parameters }, parallelism));
  const a = d.one(f0);
  d.push(f0, 2);
  d.push(f1, 4);
  const b = d.one(f2);
  d.push(f2);
  d.start(a);
  d.start(b);
  return { d, waits: [f0, f1, f2, unseen].map((fn) => d.queue.waitUs(fn, d.now) / MS) };
}

describe('mqfq, estimated waits', () => {
  it('V1: everything queued', () => {
    // 200 + 240 + 250 = 690.
    expect(scene({ estimation: 'V1' }).waits).toEqual([690, 690, 690, 690]);
    expect(scene({ estimation: 'V1' }, 2).waits).toEqual([345, 345, 345, 345]);
  });

  it('V2: its own flow, and the active ones too if that is throttled', () => {
    expect(scene({ estimation: 'V2' }).waits).toEqual([200, 240, 690, 0]);
    expect(scene({ estimation: 'V2' }, 2).waits).toEqual([100, 120, 345, 0]);
    const [f0, f1] = functions(100, 100) as Three;
    const d = new Driver(mqfq('mqfq', { estimation: 'V2', ttlMs: 50 }));
    d.end(d.start(d.one(f0)));
    d.now = 60 * MS;
    d.push(f1);
    expect([d.flow(f0).state, d.queue.waitUs(f0, d.now)]).toEqual(['inactive', 0]);
  });

  it('V3: what is served before it, when the least finish tag is served', () => {
    // f0: 4·60 of f1 (F 240), then two of its own (F 400), which leaves the newcomer: 240 + 200.
    // f1: its F is 300 now, as f0's, which was seen first: 2·100, then four of its own.
    // f2: 240 of f1, 200 of f0, one of its own.
    // One never seen is charged T/10, has the least F and the least S: at once.
    expect(scene({ estimation: 'V3' }).waits).toEqual([440, 440, 690, 0]);
  });

  it('V3: of several flows the one with the fewest in flight, then the longest', () => {
    // f1 has none in flight: it goes first and does not wait for f0. f0 then goes before f2, being longer. f2 is not throttled once VT is 100, but behind f0
    // until that has one left, of which F is less: 240 + 2·100, then its own. The one never seen: f1 is longer, until both have one left: 3·60.
    expect(scene({ estimation: 'V3', selectCount: 3 }).waits).toEqual([440, 240, 690, 180]);
    expect(scene({ estimation: 'V3', selectCount: 2 }, 2).waits[1]).toBe(120);
  });

  it('V3: passes over throttled flows until virtual time has come', () => {
    const wait = (allowedOverrunMs: number): number => {
      const [f0, f1] = functions(200, 60) as Three;
      const d = new Driver(mqfq('mqfq', { estimation: 'V3', allowedOverrunMs }));
      d.push(f0);
      d.start(d.one(f1)); // S 60; with one more F 120, less than f0's 200
      return d.queue.waitUs(f1, 0) / MS;
    };
    expect([wait(50), wait(60)]).toEqual([200, 0]);
  });

  it('V3: takes the rest of a long queue together', () => {
    for (const allowedOverrunMs of [0, 95, 100_000]) {
      const [f0, f1, f2] = functions(10, 10, 20) as Three;
      const d = new Driver(mqfq('mqfq', { estimation: 'V3', allowedOverrunMs }));
      d.push(f0, 1000);
      d.push(f1, 1000);
      d.push(f2, 200);
      const waitMs = d.queue.waitUs(f0, 0) / MS;
      // Before the newcomer, at 10,000: 10,000 of each of the first two and the 4,000 of f2; one start more or less.
      expect(Math.abs(waitMs - 24_000)).toBeLessThanOrEqual(20);
    }
  });

  it('regressions: what is left of the time to the end when its own execution is taken off', () => {
    const waits = (estimation: string): number[] => {
      const [f0, f1, f2] = functions(100, 100, 30) as Three;
      const d = new Driver(mqfq('mqfq', { estimation }));
      expect([d.queue.waitUs(f0, 0), d.queue.waitUs(unseen, 0)]).toEqual([0, 0]);
      const a = d.one(f0); // load 0
      const b = d.one(f0); // load 100
      const c = d.one(f1); // load 200
      const lost = d.one(f1); // load 300
      for (const one of [a, b, c, lost]) d.start(one);
      d.now = 100 * MS;
      d.answer(a); // 0 → 100
      d.now = 250 * MS;
      d.answer(b); // 100 → 250
      d.now = 400 * MS;
      d.answer(c); // 200 → 400: on the same line, 100 + 1.5 load
      d.now = 9999 * MS;
      d.end(lost); // without an answer: nothing to learn
      d.start(d.push(f0, 2)[0] as never);
      // One runs and one is queued: load 200, 400 to the end.
      return [f0, f1, f2].map((fn) => Math.round(d.queue.waitUs(fn, d.now)) / MS);
    };
    expect(waits('LinReg')).toEqual([300, 300, 370]);
    // f1 has one point, f2 none: no line of their own.
    expect(waits('PerFuncLinReg')).toEqual([300, 0, 0]);
    expect(waits('FallbackLinReg')).toEqual([300, 300, 370]);
    // Twice the load.
    expect(waits('GlobalLinReg')).toEqual([400, 400, 400]);
  });

  it('FallbackLinReg: its own line as soon as there is one', () => {
    const [f0, f1] = functions(10, 10) as Three;
    const d = new Driver(mqfq('mqfq', { estimation: 'FallbackLinReg' }));
    const run = (fn: FunctionRecord, count: number, eachMs: number): void => {
      const all = d.push(fn, count);
      for (const one of all) d.start(one);
      const begin = d.now;
      for (const [index, one] of all.entries()) {
        d.now = begin + (index + 1) * eachMs * MS;
        d.answer(one);
      }
    };
    run(f0, 2, 50); // 0 → 50, 10 → 100
    run(f1, 2, 200); // 0 → 200, 10 → 400
    const waits = [f0, f1, unseen].map((fn) => Math.round(d.queue.waitUs(fn, d.now)) / MS);
    // At load 0: 50 and 200 less 10 of execution each; all four points together 125, for one whose execution is unknown.
    expect(waits).toEqual([40, 190, 125]);
  });

  it('never answers less than nothing', () => {
    const [f0] = functions(100) as Three;
    const d = new Driver(mqfq('mqfq', { estimation: 'LinReg' }));
    const [a, b] = d.push(f0, 2) as [never, never];
    d.start(a);
    d.start(b);
    d.now = 20 * MS;
    d.answer(b); // 100 → 20
    d.now = 30 * MS;
    d.answer(a); // 0 → 30: less than it executes on average
    expect(d.queue.waitUs(f0, d.now)).toBe(0);
  });

  it('can add what its estimates were short by, while anything is queued', () => {
    const [f0, f1] = functions(100, 100) as Three;
    const d = new Driver(mqfq('mqfq', { estimation: 'V1', addEstimationError: true }));
    const a = d.start(d.one(f0)); // estimated: 0 + 100
    d.now = 180 * MS;
    d.answer(a); // 80 short
    expect(d.queue.waitUs(f0, d.now)).toBe(0); // nothing queued
    const b = d.one(f0); // estimated 100 again, not 180: what it learns is the error of V1
    expect([d.queue.waitUs(f0, d.now), d.queue.waitUs(f1, d.now)]).toEqual([180 * MS, 100 * MS]);
    d.start(b);
    d.now += 180 * MS;
    d.answer(b);
    d.push(f0);
    expect(d.queue.waitUs(f0, d.now)).toBeCloseTo(180 * MS, 6); // 0.9·80 + 0.1·80
    const c = d.start(d.one(f0)); // estimated 100 + 100
    d.now += 0.1 * MS;
    d.answer(c); // 199.9 too much; 0.9·80 − 0.1·199.9 = 52.01
    expect(d.queue.waitUs(f0, d.now)).toBeCloseTo(152.01 * MS, 6);
  });

  it('inside an engine, learns from answers and from nothing else', () => {
    const queue = mqfq('mqfq', { estimation: 'LinReg', serviceMs: 1000 });
    const harness = new Harness({ queues: { cpu: queue, gpu: new FcfsQueue() }, cpuSlots: 1 });
    const fn = harness.register({ timeoutMs: 60_000 });
    const [a, b, c] = [harness.invoke(fn), harness.invoke(fn), harness.invoke(fn)];
    const container = harness.ready();
    // a and b came to an empty queue (a had started), c to one with b in it: loads 0, 0 and 1 s.
    for (const one of [a, b, c]) {
      harness.clock.time += 100 * MS;
      harness.complete(one);
    }
    // Ends at 100, 200 and 300 ms: 150 at load 0, 300 at 1 s.
    const wait = (): number => Math.round(queue.waitUs(fn, harness.clock.time)) / MS;
    expect(wait()).toBe(150);
    const lost = harness.invoke(fn);
    harness.clock.time += 5000 * MS;
    harness.exited(container, CRASH);
    expect([harness.sink.classOf(lost), wait()]).toEqual(['crashed', 150]);
    const report = queue.report(harness.clock.time);
    expect([queue.length, first(report.flows).inFlight, harness.problems()]).toEqual([0, 0, []]);
  });
});
