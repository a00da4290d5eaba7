import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SecondRow } from '../../src/results/second-row.js';
import { type SimulationOptions, simulate } from '../../src/sim/simulate.js';
import type { RowSink } from '../../src/tables/sink.js';
import { ArrayTrace } from '../../src/traces/array-trace.js';

/** A simulated machine's power, and what a cap on it does: it stays below, throughput falls, nothing starves. */

const MODEL = { idleWatts: 40, wattsPerCore: 10, wattsPerGpu: 100 };
const HOUR_MS = 3_600_000;
const sec = 1e6;

class Seconds implements RowSink<SecondRow> {
  readonly watts: number[] = [];
  row({ powerMw }: Readonly<SecondRow>): void {
    this.watts.push(powerMw / 1000);
  }
  backlog(): null {
    return null;
  }
  async end(): Promise<void> {}
}

function busy(seconds: number): ArrayTrace {
  // 8 long ones and 400 short ones a second: 12 cores' work.
  const functions = [
    { name: 'long', memoryMb: 10, warmUs: sec, coldUs: 1.5 * sec },
    { name: 'short', memoryMb: 10, warmUs: 10_000, coldUs: 300_000 },
  ];
  const arrivals: [number, string][] = [];
  for (let second = 0; second < seconds; second++) {
    for (let i = 0; i < 400; i++) {
      const at = second * sec + i * 2500;
      if (i % 50 === 0) arrivals.push([at, 'long']);
      arrivals.push([at, 'short']);
    }
  }
  return new ArrayTrace(functions, arrivals);
}

async function run(capWatts: number, more: Partial<SimulationOptions> = {}) {
  const series = new Seconds();
  const config = {
    energy: { cap: { watts: capWatts, maxHoldMs: HOUR_MS } },
    queue: { limit: 1_000_000 },
    keepAlive: { ttlMs: HOUR_MS },
  };
  const functions = { timeoutMs: HOUR_MS };
  const options = { trace: busy(30), config, functions, power: MODEL, series, machine: { cores: 16 }, ...more };
  return { summary: await simulate(options).summary(), watts: series.watts.slice(1) };
}

describe('the modelled power of a simulation', () => {
  it('is what idles and what is busy, and is divided to the last microjoule', async () => {
    const trace = new ArrayTrace(
      [{ name: 'f', memoryMb: 10, warmUs: 500_000 }],
      [
        [0, 'f'],
        [3 * sec, 'f'],
        [6 * sec, 'f'],
      ],
    );
    const { summary, watts } = await run(0, { trace });
    expect(watts.slice(0, 6)).toEqual([45, 40, 40, 45, 40, 40]);
    const { joules, holds } = summary.power as NonNullable<typeof summary.power>;
    expect(joules.measured).toBe(6 * 40 + 10);
    expect(joules.invocations + joules.idle + joules.other).toBeCloseTo(joules.measured, 9);
    // The first second has half a core busy and nothing to tell its idling from.
    expect(joules.invocations).toBeGreaterThan(4.9);
    expect(holds).toBe(0);
  });

  it('is not there unless it is asked for, and cannot be capped then', async () => {
    const trace = new ArrayTrace([{ name: 'f', memoryMb: 10, warmUs: 1 }], [[0, 'f']]);
    expect((await simulate({ trace }).summary()).power).toBe(null);
    await expect(simulate({ trace, config: { energy: { cap: { watts: 9 } } } }).summary()).rejects.toMatchObject({
      errorClass: 'invalid',
    });
  });

  it('stays below a cap, in every second, and all invocations end', async () => {
    const free = await run(0);
    expect(Math.max(...free.watts)).toBeGreaterThan(150);
    let before = free.summary.simulatedUs;
    for (const cap of [130, 100, 70]) {
      const { summary, watts } = await run(cap);
      expect(summary.outcomes).toEqual({ ok: summary.invocations });
      expect(Math.max(...watts)).toBeLessThanOrEqual(cap);
      // It is used, too: nine tenths of what it allows above idling.
      expect(summary.power?.meanWatts).toBeGreaterThan(40 + 0.9 * (cap - 40));
      expect(summary.simulatedUs).toBeGreaterThan(before);
      before = summary.simulatedUs;
    }
  });

  it('shows what the original’s versions let through', async () => {
    for (const version of ['v0', 'v1'] as const) {
      const cap = { watts: 100, maxHoldMs: HOUR_MS, version };
      const config = { energy: { cap }, queue: { limit: 1_000_000 }, keepAlive: { ttlMs: HOUR_MS } };
      const { summary, watts } = await run(100, { config });
      expect(summary.outcomes).toEqual({ ok: summary.invocations });
      expect(Math.max(...watts)).toBeGreaterThan(130);
    }
  });

  it('lets everything end below an impossible cap, one at a time', async () => {
    const trace = new ArrayTrace(
      [{ name: 'f', memoryMb: 10, warmUs: 100_000 }],
      Array.from({ length: 50 }, () => [0, 'f'] as const),
    );
    const { summary } = await run(1, { trace });
    expect(summary.outcomes).toEqual({ ok: 50 });
    expect(summary.simulatedUs).toBe(50 * 100_000);
    expect(summary.power?.maxWatts).toBeLessThanOrEqual(50);
  });

  it('counts GPUs', async () => {
    // The first seconds show what idling takes. Several functions: the GPU's queue gives one of them one place at a time.
    const names = ['a', 'b', 'c', 'd'];
    const trace = new ArrayTrace(
      names.map((name) => ({ name, memoryMb: 10, warmUs: 2 * sec, devices: ['gpu' as const] })),
      Array.from({ length: 12 }, (_, i) => [3 * sec + i * 10_000, names[i % 4] as string] as const),
    );
    const gpu = { count: 4, memoryMb: 1000, slots: 4, concurrency: 1 };
    const config = { gpu, energy: { cap: { watts: 280, maxHoldMs: HOUR_MS } }, queue: { limit: 1000 } };
    const { summary, watts } = await run(280, { trace, config });
    expect(summary.outcomes).toEqual({ ok: 12 });
    // Two GPUs with their cores are 220 W, three are 330.
    expect(Math.max(...watts)).toBeLessThanOrEqual(280);
    expect(Math.max(...watts)).toBeGreaterThan(250);
  });

  it('leaves nothing behind, whatever comes, within one core of the cap', async () => {
    const functionArbitrary = fc.record({
      memoryMb: fc.constant(10),
      warmUs: fc.integer({ min: 100, max: 3 * sec }),
      create: fc.integer({ min: 0, max: 2 * sec }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(functionArbitrary, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(8 * sec), fc.nat(3)), { minLength: 1, maxLength: 120 }),
        fc.integer({ min: 51, max: 150 }),
        async (functions, arrivals, cap) => {
          const named = functions.map(({ create, ...fn }, i) => ({ ...fn, coldUs: fn.warmUs + create, name: `f${i}` }));
          const at = arrivals
            .map(([us, fn]) => [us, `f${fn % functions.length}`] as const)
            .toSorted(([a], [b]) => a - b);
          const { summary } = await run(cap, { trace: new ArrayTrace(named, at) });
          expect(summary.outcomes).toEqual({ ok: arrivals.length });
          expect(summary.power?.maxWatts).toBeLessThanOrEqual(cap + MODEL.wattsPerCore);
        },
      ),
      { numRuns: 60 },
    );
  });
});
