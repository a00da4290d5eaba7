import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WrappingCounter } from '../../../src/telemetry/energy/counter.js';
import { PowerIntegral } from '../../../src/telemetry/energy/power-integral.js';
import { PowerMeter } from '../../../src/telemetry/energy/power-meter.js';

/** Wrap-around and integration, against arithmetic that cannot wrap. */

describe('WrappingCounter', () => {
  const RANGE = 1_000_000;
  const PER_SECOND = 100_000;
  const SLACK_S = 0.2;

  it('follows a counter through any number of wrap-arounds, as long as none passes unseen', () => {
    // Steps of up to 5 s: half a range at most.
    const step = fc.record({
      afterUs: fc.integer({ min: 1, max: 5_000_000 }),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: RANGE - 1 }), fc.array(step, { maxLength: 200 }), (first, steps) => {
        const counter = new WrappingCounter({ range: RANGE, mostPerSecond: PER_SECOND });
        let [truth, atUs] = [first, 0];
        counter.add(first, atUs);
        for (const { afterUs, part } of steps) {
          atUs += afterUs;
          const rise = Math.floor((afterUs / 1e6) * PER_SECOND * part);
          truth += rise;
          expect(counter.add(truth % RANGE, atUs)).toBe(rise);
        }
        expect(counter.total).toBe(truth - first);
        expect(counter.missed).toBe(0);
      }),
    );
  });

  it('never falls, whatever is read, and says so when it may have wrapped around unseen', () => {
    const step = fc.record({
      afterUs: fc.integer({ min: 0, max: 60_000_000 }),
      value: fc.integer({ min: 0, max: RANGE - 1 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const counter = new WrappingCounter({ range: RANGE, mostPerSecond: PER_SECOND });
        let [atUs, before] = [0, 0];
        for (const [at, { afterUs, value }] of steps.entries()) {
          atUs += afterUs;
          const { missed } = counter;
          const rise = counter.add(value, atUs);
          expect(rise).toBeGreaterThanOrEqual(0);
          expect(counter.total).toBe(before + rise);
          before = counter.total;
          // A whole range more would fit into that time.
          const unseen = at > 0 && rise + RANGE <= (afterUs / 1e6 + SLACK_S) * PER_SECOND;
          if (unseen) expect(counter.missed).toBe(missed + 1);
        }
      }),
    );
  });

  it('takes a counter that was set back for what it has counted since, and a leap for nothing', () => {
    const counter = new WrappingCounter({ range: RANGE, mostPerSecond: PER_SECOND });
    counter.add(400_000, 0);
    expect(counter.add(50_000, 1e6)).toBe(50_000);
    expect(counter.missed).toBe(1);
    expect(counter.add(900_000, 2e6)).toBe(0);
    expect(counter.missed).toBe(2);
    expect(counter.add(950_000, 3e6)).toBe(50_000);
    expect([counter.missed, counter.total]).toEqual([2, 100_000]);
  });
});

describe('PowerIntegral', () => {
  const PERIOD_US = 1_000_000;
  const reading = fc.record({
    afterUs: fc.integer({ min: 1, max: 2_999_999 }),
    watts: fc.double({ min: 0, max: 1000, noNaN: true }),
  });

  it('is the area below the readings: exact where power changes evenly', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2_000_000 }), { minLength: 1, maxLength: 50 }),
        fc.double({ min: 0, max: 100, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, at0, perSecond) => {
          const integral = new PowerIntegral({ periodUs: PERIOD_US });
          let atUs = 0;
          integral.add(at0, 0);
          for (const step of steps) {
            atUs += step;
            integral.add(at0 + (perSecond * atUs) / 1e6, atUs);
          }
          const s = atUs / 1e6;
          const area = at0 * s + (perSecond * s * s) / 2;
          expect(Math.abs(integral.joules - area)).toBeLessThanOrEqual(1e-9 * Math.max(1, area));
        },
      ),
    );
  });

  it('lies between the least and the most power of the time, and never falls', () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 2, maxLength: 100 }), (readings) => {
        const integral = new PowerIntegral({ periodUs: PERIOD_US });
        let [atUs, firstUs, before] = [0, -1, 0];
        for (const { afterUs, watts } of readings) {
          atUs += afterUs;
          if (firstUs < 0) firstUs = atUs;
          expect(integral.add(watts, atUs)).toBeGreaterThanOrEqual(0);
          expect(integral.joules).toBeGreaterThanOrEqual(before);
          before = integral.joules;
        }
        const s = (atUs - firstUs) / 1e6;
        const all = readings.map(({ watts }) => watts);
        expect(integral.joules).toBeGreaterThanOrEqual(Math.min(...all) * s * (1 - 1e-9));
        expect(integral.joules).toBeLessThanOrEqual(Math.max(...all) * s * (1 + 1e-9));
        expect(integral.gaps).toBe(0);
      }),
    );
  });

  it('bridges a gap and says so, and leaves out what it was told to', () => {
    const integral = new PowerIntegral({ periodUs: PERIOD_US });
    integral.add(10, 0);
    expect(integral.add(10, 3_000_000)).toBe(30);
    expect(integral.gaps).toBe(0);
    expect(integral.add(10, 6_000_001)).toBeCloseTo(30, 3);
    expect(integral.gaps).toBe(1);
    integral.interrupt();
    expect(integral.add(50, 60_000_000)).toBe(0);
    expect(integral.add(50, 61_000_000)).toBe(50);
    expect(integral.gaps).toBe(2);
  });

  it('leaves out what is no power and what is older', () => {
    const integral = new PowerIntegral({ periodUs: PERIOD_US });
    integral.add(10, 1000);
    for (const odd of [Number.NaN, -1, Number.POSITIVE_INFINITY]) expect(integral.add(odd, 2000)).toBe(0);
    expect(integral.add(99, 1000)).toBe(0);
    expect(integral.add(99, 500)).toBe(0);
    expect(integral.add(10, 1_001_000)).toBe(10);
  });
});

describe('PowerMeter', () => {
  const sample = (name: string, watts: number | null, inTotal = true) => ({
    name,
    watts,
    inTotal,
    feeds: 'gpu' as const,
  });

  it('adds up what is in the total, and flags what lacks in it', () => {
    const meter = new PowerMeter(1_000_000);
    expect(meter.latest).toBeNull();
    expect(meter.take(0, [sample('a', 10), sample('b', 5), sample('inside', 3, false)])).toMatchObject({
      joules: 0,
      watts: 15,
      estimated: false,
    });
    const second = meter.take(1e6, [sample('a', 10), sample('b', null), sample('inside', null, false)]);
    expect(second).toMatchObject({ joules: 10, watts: 10, estimated: true });
    // One that is not named at all is not there, either.
    expect(meter.take(2e6, [sample('a', 10)])).toMatchObject({ joules: 20, watts: 10, estimated: true });
    // Back again: what it drew meanwhile is bridged.
    const back = meter.take(3e6, [sample('a', 10), sample('b', 5)]);
    expect(back).toMatchObject({ joules: 45, watts: 15, estimated: false });
    expect(back.domains.map(({ name }) => name)).toEqual(['a', 'b', 'inside']);
    expect(meter.latest).toBe(back);
  });
});
