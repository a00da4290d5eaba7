import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Invocation } from '../../src/core/invocation.js';
import { PowerCap, type PowerCapOptions, type PowerDraw } from '../../src/core/resources/power-cap.js';
import { Harness, OK } from './support/harness.js';

/** The power cap: what it lets begin, and that nothing waits for it for ever. */

const PERIOD_US = 1_000_000;
const OPTIONS: PowerCapOptions = {
  watts: 40,
  version: 'projected',
  periodUs: PERIOD_US,
  maxHoldUs: 10_000_000,
  staleUs: 5_000_000,
  whenStale: 'assume-free',
};
const IDLE = { watts: 20, idleWatts: 0, wattsPerCore: 10, wattsPerGpu: 100 };
const LONG = { cores: 1, gpus: 0, runUs: 0 };

function capOf(over: Partial<PowerCapOptions> = {}): PowerCap {
  const cap = new PowerCap({ ...OPTIONS, ...over });
  cap.reading(IDLE, 0);
  return cap;
}

describe('the power cap', () => {
  it('counts what has begun before a reading shows it', () => {
    const cap = capOf();
    expect(cap.fits(LONG, 0)).toBe(true);
    cap.began(LONG, 0);
    expect(cap.fits(LONG, 0)).toBe(true);
    cap.began(LONG, 0);
    expect([cap.fits(LONG, 0), cap.projectedWatts]).toEqual([false, 40]);
  });

  it('lets more of those run that are short', () => {
    const cap = capOf();
    const short = { cores: 1, gpus: 0, runUs: PERIOD_US / 10 };
    let count = 0;
    // One after the other: 20 W above idle for the whole period are 20 runs of a tenth of it at 10 W.
    for (; count < 100 && cap.fits(short, count * 50); count++) {
      const draw = cap.began(short, count * 50);
      if (count % 2 === 1) cap.ended(draw, count * 50 + PERIOD_US / 10);
    }
    expect(count).toBe(20);
  });

  it('takes off what has ended, and does not count twice what a reading shows', () => {
    const cap = capOf();
    const draws = [cap.began(LONG, 0), cap.began(LONG, 0)];
    cap.reading({ ...IDLE, watts: 40 }, PERIOD_US);
    expect([cap.fits(LONG, PERIOD_US), cap.projectedWatts]).toEqual([false, 40]);
    cap.ended(draws[0] as PowerDraw, PERIOD_US);
    expect([cap.fits(LONG, PERIOD_US), cap.projectedWatts]).toEqual([true, 30]);
  });

  it('keeps room for what else runs on the machine', () => {
    const cap = capOf();
    cap.began(LONG, 0);
    cap.reading({ ...IDLE, watts: 38 }, PERIOD_US);
    expect(cap.fits(LONG, PERIOD_US)).toBe(false);
    cap.reading({ ...IDLE, watts: 30 }, 2 * PERIOD_US);
    expect(cap.fits(LONG, 2 * PERIOD_US)).toBe(true);
  });

  it('does not let those begin at the end of a period that would be too much in the next', () => {
    const cap = capOf();
    cap.began(LONG, 0);
    cap.began(LONG, 0);
    expect(cap.fits(LONG, PERIOD_US - 1)).toBe(false);
  });

  it('follows the versions of the original', () => {
    const v0 = capOf({ version: 'v0' });
    v0.began(LONG, 0);
    v0.reading({ ...IDLE, watts: 39.9 }, 1);
    expect(v0.fits(LONG, 2)).toBe(true);
    v0.reading({ ...IDLE, watts: 40 }, 3);
    expect(v0.fits(LONG, 4)).toBe(false);
    const v1 = capOf({ version: 'v1' });
    v1.began(LONG, 0);
    v1.reading({ ...IDLE, watts: 38 }, 1);
    expect(v1.fits({ ...LONG, runUs: PERIOD_US }, 2)).toBe(true);
    expect(v1.fits({ ...LONG, runUs: PERIOD_US + 1 }, 2)).toBe(false);
  });

  for (const [whenStale, allowed] of [
    ['assume-free', true],
    ['assume-busy', false],
    ['ignore', false],
  ] as const) {
    it(`goes by an old reading as it is told (${whenStale})`, () => {
      const cap = capOf({ whenStale, watts: 25 });
      cap.began(LONG, 0);
      expect(cap.fits(LONG, OPTIONS.staleUs + 1)).toBe(allowed);
    });
  }

  it('lets one run at a time until it is known what a busy core adds, and no longer than a source is waited for', () => {
    for (const [whenStale, allowed] of [
      ['assume-free', true],
      ['assume-busy', false],
      ['ignore', true],
    ] as const) {
      const cap = new PowerCap({ ...OPTIONS, whenStale, watts: 1000 });
      expect(cap.fits(LONG, 5)).toBe(true);
      cap.began(LONG, 5);
      expect(cap.fits(LONG, 10)).toBe(false);
      expect(cap.fits(LONG, 10 + OPTIONS.staleUs)).toBe(false);
      expect(cap.fits(LONG, 11 + OPTIONS.staleUs)).toBe(allowed);
    }
  });

  it('gives up learning from a source that does not see what runs', () => {
    const cap = new PowerCap(OPTIONS);
    cap.began(LONG, 0);
    let now = 0;
    let readings = 0;
    for (; !cap.fits(LONG, now) && readings < 100; readings++) {
      now += PERIOD_US;
      cap.reading({ watts: 20, idleWatts: 0, wattsPerCore: 0, wattsPerGpu: 0 }, now);
    }
    expect(readings).toBe(10);
  });

  it('never promises more energy than a period may take, whatever begins and ends, but for one that runs alone', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            afterUs: fc.nat(PERIOD_US),
            cores: fc.double({ min: 0.01, max: 4, noNaN: true }),
            runUs: fc.constantFrom(0, 1000, 100_000, 3_000_000),
            ends: fc.boolean(),
          }),
          { maxLength: 60 },
        ),
        (steps) => {
          const cap = capOf({ watts: 60, whenStale: 'ignore' });
          const running: PowerDraw[] = [];
          let now = 0;
          for (const { afterUs, cores, runUs, ends } of steps) {
            now += afterUs;
            const demand = { cores, gpus: 0, runUs };
            const alone = running.length === 0;
            const fits = cap.fits(demand, now);
            if (alone) expect(fits).toBe(true);
            if (fits && !alone) {
              running.push(cap.began(demand, now));
              expect(cap.projectedWatts).toBeLessThanOrEqual(60 + 1e-6);
            }
            if (alone) cap.ended(cap.began(demand, now), now);
            const first = running.shift();
            if (first !== undefined && ends) cap.ended(first, now);
            else if (first !== undefined) running.push(first);
            if (alone) running.push(cap.began({ cores: 0.1, gpus: 0, runUs: 0 }, now));
          }
          expect(cap.running).toBe(running.length);
        },
      ),
    );
  });
});

describe('an engine with a power cap', () => {
  function engineOf(over: Partial<PowerCapOptions> = {}): Harness {
    const h = new Harness({ cpuSlots: 8, memoryMb: 10_000, power: { ...OPTIONS, ...over } });
    h.engine.power(IDLE);
    return h;
  }

  it('holds the third back until one has ended', () => {
    const h = engineOf();
    const fn = h.register({ timeoutMs: 60_000 });
    const runs = [h.invoke(fn), h.invoke(fn), h.invoke(fn)] as const;
    h.ready();
    h.ready();
    expect([h.port.runs.size, h.port.creating.size]).toEqual([2, 0]);
    expect(h.engine.status().powerCap).toEqual({ capWatts: 40, projectedWatts: 40, held: true, holds: 1, forced: 0 });
    h.complete(runs[0]);
    expect(h.port.runs.has(runs[2])).toBe(true);
    expect(h.engine.status().powerCap).toMatchObject({ held: false });
    expect(h.problems()).toEqual([]);
  });

  it('lets the first of a queue go once it was held long enough, one at a time', () => {
    const h = engineOf({ watts: 1, maxHoldUs: 500_000, whenStale: 'ignore' });
    const fn = h.register({ timeoutMs: 60_000 });
    for (let i = 0; i < 4; i++) h.invoke(fn);
    const placed = (): number => h.port.creating.size + h.port.runs.size;
    const counts = [placed()];
    for (let i = 0; i < 6; i++) {
      const next = h.engine.nextDeadline();
      expect(next).toBeGreaterThan(h.clock.time);
      h.advance(500_001);
      counts.push(placed());
    }
    expect(counts).toEqual([1, 2, 3, 4, 4, 4, 4]);
    expect(h.engine.status().powerCap).toMatchObject({ forced: 3 });
    expect(h.problems()).toEqual([]);
  });

  it('says when there is something to do, so that a hold ends without anybody coming', () => {
    const h = engineOf({ watts: 1, whenStale: 'ignore', maxHoldUs: 300_000 });
    const fn = h.register({ timeoutMs: 60_000 });
    h.invoke(fn);
    h.invoke(fn);
    expect(h.engine.nextDeadline()).toBe(h.clock.time + 300_000);
    h.advance(300_000);
    expect(h.port.creating.size).toBe(2);
  });

  it('goes by the CPU time that runs were found to take', () => {
    const h = engineOf();
    const fn = h.register({ timeoutMs: 60_000 });
    const first = h.invoke(fn);
    h.ready();
    // A tenth of a core: a sleeper draws almost nothing.
    h.complete(first, { ...OK, runUs: 1000, cpuUs: 100 });
    for (let i = 0; i < 6; i++) h.invoke(fn);
    expect(h.engine.status()).toMatchObject({ queue: { length: 0 } });
  });

  it('goes by another cap as soon as it is told', () => {
    const h = engineOf();
    const fn = h.register({ timeoutMs: 60_000 });
    const all: Invocation[] = [];
    for (let i = 0; i < 5; i++) all.push(h.invoke(fn));
    expect(h.engine.status().queue.length).toBe(3);
    h.engine.adjust({ memoryMb: 10_000, bufferMb: 0, queueLimit: 100, dropAbandoned: true, bypassUs: 0, capWatts: 50 });
    expect(h.engine.status().queue.length).toBe(2);
    h.engine.adjust({ memoryMb: 10_000, bufferMb: 0, queueLimit: 100, dropAbandoned: true, bypassUs: 0, capWatts: 0 });
    expect([h.engine.status().queue.length, h.engine.status().powerCap]).toEqual([0, null]);
    expect(h.problems()).toEqual([]);
  });

  it('keeps a short function behind it too, for which it needs no slot', () => {
    const h = new Harness({ cpuSlots: 8, power: OPTIONS, bypassUs: 1_000_000 });
    const short = h.register({ name: 'short', timeoutMs: 60_000 });
    h.warmUp(short);
    h.engine.power({ ...IDLE, watts: 39.9999 });
    const long = h.register({ name: 'long', timeoutMs: 60_000 });
    h.invoke(long);
    const held = h.invoke(short);
    expect(h.port.runs.has(held)).toBe(false);
    expect(h.problems()).toEqual([]);
  });
});
