import { describe, expect, it } from 'vitest';
import { EnergyLedger } from '../../../src/telemetry/energy/energy-ledger.js';

/**
 * What the division gets wrong, and when: within an interval every µs of CPU time counts alike. Two functions take turns on one core, one of which takes three times the power of the other, and the truth is known.
 */

const HOT = { name: 'hot', watts: 15 };
const COOL = { name: 'cool', watts: 5 };
const IDLE_WATTS = 20;
const PERIOD_US = 1_000_000;
const STEP_US = 1000;

/** What each is given, divided by what it took, after `seconds` of turns of `burstUs`. The first turn is longer by a part of a period: the two do not begin together. */
function givenByTruth(burstUs: number, seconds: number): { hot: number; cool: number } {
  const ledger = new EnergyLedger<typeof HOT>(IDLE_WATTS);
  const took = new Map([
    [HOT, 0],
    [COOL, 0],
  ]);
  let joules = 0;
  let [turnEnds, id, began, running] = [burstUs + 0.37 * PERIOD_US, 1, 0, HOT];
  const read = (now: number, run: { cpuUs: number } | null): void => {
    const reading = { atUs: now, joules, watts: 0, estimated: false, domains: [] };
    const going = run === null ? [] : [{ id, fn: running, onGpu: false, runningAt: began, cpuUs: run.cpuUs }];
    ledger.close(reading, going, 0, now);
  };
  read(0, { cpuUs: 0 });
  for (let now = STEP_US; now <= seconds * 1e6; now += STEP_US) {
    const own = (running.watts * STEP_US) / 1e6;
    joules += own + (IDLE_WATTS * STEP_US) / 1e6;
    took.set(running, (took.get(running) as number) + own);
    if (now >= turnEnds) {
      ledger.ended({ id, fn: running, onGpu: false, runningAt: began, cpuUs: now - began }, now);
      [id, began, turnEnds] = [id + 1, now, turnEnds + burstUs];
      running = running === HOT ? COOL : HOT;
    }
    if (now % PERIOD_US === 0) read(now, { cpuUs: now - began });
  }
  const ratio = (fn: typeof HOT): number => ledger.of(fn) / 1e6 / (took.get(fn) as number);
  return { hot: ratio(HOT), cool: ratio(COOL) };
}

describe('the error of the division', () => {
  it.each([
    // Both at the mean of the two.
    [0.1, 0.667, 2],
    [0.5, 0.667, 2],
    [2, 0.845, 1.466],
    [10, 0.969, 1.093],
    [60, 0.995, 1.015],
  ])('with bursts of %d periods gives the hot one %d of what it took, and the cool one %d', (periods, hot, cool) => {
    const given = givenByTruth(periods * PERIOD_US, 2400);
    expect(given.hot).toBeCloseTo(hot, 2);
    expect(given.cool).toBeCloseTo(cool, 2);
  });
});
