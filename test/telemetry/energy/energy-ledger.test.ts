import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EnergyLedger, type LedgerRun } from '../../../src/telemetry/energy/energy-ledger.js';
import type { EnergyDomain, EnergyReading } from '../../../src/telemetry/energy/energy-source.js';

/** Who has taken the energy, over many intervals, on a clock and a source of the test's own. */

interface Fn {
  readonly name: string;
}

const BUSY: Fn = { name: 'busy' };
const QUIET: Fn = { name: 'quiet' };

function domain(name: string, joules: number, feeds: EnergyDomain['feeds'], inTotal = true): EnergyDomain {
  return { name, joules, watts: 0, feeds, inTotal };
}

function reading(atUs: number, joules: number, domains: EnergyDomain[] = []): EnergyReading {
  return { atUs, joules, watts: 0, estimated: false, domains };
}

function run(id: number, fn: Fn | null, cpuUs: number | null, over: Partial<LedgerRun<Fn>> = {}): LedgerRun<Fn> {
  return { id, fn, onGpu: false, runningAt: 0, cpuUs, ...over };
}

/** One whose first interval begins at 0. */
function begun(idleWatts = 0): EnergyLedger<Fn> {
  const ledger = new EnergyLedger<Fn>(idleWatts);
  expect(ledger.close(reading(0, 0), [], 0, 0)).toEqual({ us: 0, functions: new Map() });
  return ledger;
}

describe('the ledger of energy', () => {
  it('divides an interval by CPU time, and keeps the idle machine and others apart', () => {
    const ledger = begun(10);
    ledger.ended(run(1, BUSY, 600_000), 900_000);
    ledger.ended(run(2, QUIET, 200_000), 900_000);
    const closed = ledger.close(reading(1_000_000, 30), [], 1_000_000, 1_000_000);
    expect(closed?.functions).toEqual(
      new Map([
        [BUSY, 12_000_000],
        [QUIET, 4_000_000],
      ]),
    );
    expect(ledger.totals).toEqual({
      measuredUj: 30_000_000,
      invocationsUj: 16_000_000,
      idleUj: 10_000_000,
      otherUj: 4_000_000,
    });
    expect(ledger.power).toEqual({ watts: 30, idleWatts: 10, wattsPerCore: 20, wattsPerGpu: 0 });
  });

  it('sees a long run while it runs, and gives it its part of each interval', () => {
    const ledger = begun(10);
    ledger.close(reading(1_000_000, 30), [run(1, BUSY, 1_000_000)], 0, 1_000_000);
    expect(ledger.of(BUSY)).toBe(20_000_000);
    ledger.close(reading(2_000_000, 45), [run(1, BUSY, 1_500_000)], 0, 2_000_000);
    expect(ledger.of(BUSY)).toBe(25_000_000);
    // Half a second at 15 W: the mean of 20 and 10.
    const said = ledger.ended(run(1, BUSY, 2_000_000), 2_500_000);
    expect(said).toEqual({ microjoules: 25_000_000 + 7_500_000, cpuUs: 2_000_000, gpuUs: 0 });
    ledger.close(reading(3_000_000, 61), [], 0, 3_000_000);
    expect(ledger.of(BUSY)).toBe(31_000_000);
  });

  it('learns what the idle machine takes while nothing runs', () => {
    const ledger = begun();
    for (let i = 1; i <= 20; i++) ledger.close(reading(i * 1e6, i * 12), [], 0, i * 1e6);
    expect(ledger.power.idleWatts).toBeCloseTo(12);
    ledger.close(reading(21e6, 20 * 12 + 32), [run(1, BUSY, 1_000_000)], 0, 21e6);
    expect(ledger.of(BUSY)).toBe(20_000_000);
  });

  it('divides what feeds a GPU by the time on it', () => {
    const ledger = begun(0);
    const domains = [domain('gpu', 40, 'gpu'), domain('soc', 3, 'other'), domain('core', 9, 'cpu', false)];
    ledger.ended(run(1, BUSY, 0, { onGpu: true, runningAt: 250_000 }), 1_000_000);
    ledger.ended(run(2, QUIET, 0, { onGpu: true, runningAt: 750_000 }), 1_000_000);
    ledger.ended(run(3, QUIET, 500_000), 1_000_000);
    ledger.close(reading(1_000_000, 53, domains), [], 0, 1_000_000);
    expect([ledger.of(BUSY), ledger.of(QUIET)]).toEqual([30_000_000, 10_000_000 + 10_000_000]);
    expect(ledger.totals).toMatchObject({ otherUj: 3_000_000, idleUj: 0 });
    expect(ledger.power.wattsPerGpu).toBe(40);
  });

  it('goes on with the interval until there is a new reading', () => {
    const ledger = begun(0);
    ledger.ended(run(1, BUSY, 100_000), 500_000);
    expect(ledger.close(reading(0, 0), [], 0, 1_000_000)).toBe(null);
    ledger.ended(run(2, BUSY, 300_000), 1_500_000);
    ledger.ended(run(3, QUIET, 400_000), 1_500_000);
    ledger.close(reading(2_000_000, 8), [], 0, 2_000_000);
    expect([ledger.of(BUSY), ledger.of(QUIET)]).toEqual([4_000_000, 4_000_000]);
  });

  it('does not give the first interval what ran before it', () => {
    const ledger = new EnergyLedger<Fn>(0);
    ledger.ended(run(1, BUSY, 900_000), 0);
    const long = run(2, QUIET, 5_000_000);
    ledger.close(reading(0, 100), [long], 0, 0);
    ledger.close(reading(1_000_000, 110), [{ ...long, cpuUs: 6_000_000 }], 0, 1_000_000);
    expect([ledger.of(BUSY), ledger.of(QUIET)]).toEqual([0, 10_000_000]);
  });

  it('says nothing of a run that was not measured, and what it saw last of one that ended without a word', () => {
    const ledger = begun(0);
    expect(ledger.ended(run(1, BUSY, null), 10)).toBe(null);
    expect(ledger.ended(run(2, BUSY, 50), 10)).toEqual({ microjoules: null, cpuUs: 50, gpuUs: 0 });
    ledger.close(reading(1_000_000, 10), [run(3, QUIET, 400_000)], 0, 1_000_000);
    expect(ledger.ended(run(3, QUIET, null), 1_200_000)).toMatchObject({ cpuUs: 400_000 });
  });

  it('keeps the parts of functions that are no more in the sum', () => {
    const ledger = begun(0);
    ledger.ended(run(1, BUSY, 100_000), 10);
    ledger.forget(BUSY);
    ledger.ended(run(2, null, 100_000), 20);
    ledger.close(reading(1_000_000, 10), [], 0, 1_000_000);
    expect([ledger.of(BUSY), ledger.totals.invocationsUj]).toEqual([0, 10_000_000]);
  });

  it('adds up to what the source has counted, whatever ran, ended, crossed intervals or came back', () => {
    const functions: Fn[] = [BUSY, QUIET, { name: 'third' }];
    const step = fc.record({
      kind: fc.constantFrom('begin', 'begin', 'work', 'work', 'end', 'lost', 'close', 'close', 'stale', 'forget'),
      pick: fc.nat(1000),
      joules: fc.double({ min: 0, max: 500, noNaN: true }),
      gpu: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), fc.constantFrom(0, 7, 300), (steps, idleWatts) => {
        const ledger = new EnergyLedger<Fn>(idleWatts);
        const running: (LedgerRun<Fn> & { cpuUs: number })[] = [];
        let [now, joules, gpuJoules, machineUs, id] = [0, 3, 0, 0, 0];
        let firstJoules: number | null = null;
        let got = 0;
        let read = reading(0, joules);
        for (const { kind, pick, joules: more, gpu } of steps) {
          now += pick;
          const chosen = pick % Math.max(1, running.length);
          const one = running[chosen];
          if (kind === 'begin') {
            const fn = functions[pick % functions.length] as Fn;
            running.push({ id: ++id, fn, onGpu: gpu, runningAt: now, cpuUs: 0 });
          } else if (kind === 'work' && one !== undefined) {
            running[chosen] = { ...one, cpuUs: one.cpuUs + pick };
            machineUs += pick % 3 === 0 ? 0 : 2 * pick;
          } else if ((kind === 'end' || kind === 'lost') && one !== undefined) {
            running.splice(chosen, 1);
            ledger.ended(kind === 'end' ? one : { ...one, cpuUs: null }, now);
          } else if (kind === 'forget') ledger.forget(functions[pick % functions.length] as Fn);
          else if (kind === 'close') {
            joules += more;
            if (gpu) gpuJoules += more / 2;
            now++;
            read = reading(now, joules, [domain('gpu', gpuJoules, 'gpu'), domain('rest', gpuJoules / 2, 'other')]);
            firstJoules ??= joules;
          }
          if (kind !== 'close' && kind !== 'stale') continue;
          if (kind === 'stale' && firstJoules === null) continue;
          const closed = ledger.close(read, running, machineUs, now);
          expect(closed === null).toBe(kind === 'stale');
          if (closed === null) continue;
          machineUs = 0;
          for (const part of closed.functions.values()) {
            expect(part).toBeGreaterThanOrEqual(0);
            got += part;
          }
          const { measuredUj, invocationsUj, idleUj, otherUj } = ledger.totals;
          expect(invocationsUj + idleUj + otherUj).toBe(measuredUj);
          expect(measuredUj).toBe(Math.round(1e6 * joules) - Math.round(1e6 * (firstJoules as number)));
          expect(got).toBeLessThanOrEqual(invocationsUj);
          if (!steps.some((any) => any.kind === 'forget')) expect(got).toBe(invocationsUj);
        }
      }),
      { numRuns: 500 },
    );
  });
});
