import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LruEviction } from '../../src/core/pool/eviction/lru.js';
import type { InvocationRow } from '../../src/results/invocation-row.js';
import { invocationTable } from '../../src/results/invocation-row.js';
import type { SecondRow } from '../../src/results/second-row.js';
import { secondTable } from '../../src/results/second-row.js';
import { type SimulationEvent, type SimulationOptions, simulate } from '../../src/sim/simulate.js';
import { CsvSink } from '../../src/tables/csv-sink.js';
import type { RowSink } from '../../src/tables/sink.js';
import { ArrayTrace } from '../../src/traces/array-trace.js';
import type { ArrivalBatch, TraceSource } from '../../src/traces/trace-source.js';
import { TestFolder } from './support/files.js';

const ms = 1000;
const folder = new TestFolder();

class Kept<Row extends object> implements RowSink<Row> {
  readonly rows: Row[] = [];
  ended = 0;
  pause: Promise<void> | null = null;
  row(row: Readonly<Row>): void {
    this.rows.push({ ...row });
  }
  backlog(): Promise<void> | null {
    return this.pause;
  }
  async end(): Promise<void> {
    this.ended++;
  }
}

const F = { name: 'f', memoryMb: 100, warmUs: 10 * ms, coldUs: 110 * ms };
const oneSlot = { cpu: { slots: 1 }, memory: { budgetMb: 100 } };

async function rowsOf(options: SimulationOptions): Promise<InvocationRow[]> {
  const rows = new Kept<InvocationRow>();
  await simulate({ ...options, rows }).summary();
  return rows.rows;
}

describe('a simulation', () => {
  it('does by hand what it does by machine', async () => {
    const rows = new Kept<InvocationRow>();
    const trace = new ArrayTrace(
      [F],
      [
        [0, 'f'],
        [50 * ms, 'f'],
        [200 * ms, 'f'],
      ],
    );
    const summary = await simulate({ trace, config: oneSlot, rows }).summary();
    const same = { fn: 'f@1', device: 'cpu', container: 1, attempts: 1, outcome: 'ok' };
    expect(rows.rows).toEqual([
      { ...same, tid: '1', arrivalUs: 0, queueUs: 0, startUs: 100 * ms, endUs: 110 * ms, state: 'cold' },
      { ...same, tid: '2', arrivalUs: 50 * ms, queueUs: 60 * ms, startUs: 110 * ms, endUs: 120 * ms, state: 'warm' },
      { ...same, tid: '3', arrivalUs: 200 * ms, queueUs: 0, startUs: 200 * ms, endUs: 210 * ms, state: 'warm' },
    ]);
    expect(summary.states).toEqual({ cold: 1, prewarm: 0, warm: 2 });
    expect(summary.outcomes).toEqual({ ok: 3 });
    expect(summary.coldRatio).toBeCloseTo(1 / 3);
    expect(summary.simulatedUs).toBe(210 * ms);
    expect(summary.queueUs.mean).toBe(20 * ms);
    expect(summary.queueUs.max).toBe(60 * ms);
    expect(summary.endToEndUs.mean).toBe(((110 + 70 + 10) / 3) * ms);
    expect(summary.slowdown.max).toBe(11);
    // 100 MiB are being created or run for 120 ms and 10 ms, and idle for the 80 ms between.
    expect(summary.memory.runningMbSeconds).toBeCloseTo(13, 9);
    expect(summary.memory.cachedMbSeconds).toBeCloseTo(8, 9);
  });

  it('makes an answer at the moment of an arrival count first, and one in the last moment be in time', async () => {
    const trace = new ArrayTrace(
      [F],
      [
        [0, 'f'],
        [110 * ms, 'f'],
      ],
    );
    const rows = await rowsOf({ trace, config: oneSlot, functions: { timeoutMs: 110 } });
    expect(rows.map(({ outcome, state, queueUs }) => [outcome, state, queueUs])).toEqual([
      ['ok', 'cold', 0],
      ['ok', 'warm', 0],
    ]);
  });

  it('lets time pass for those that take too long', async () => {
    const trace = new ArrayTrace(
      [{ ...F, coldUs: 20 * ms }],
      [
        [0, 'f'],
        [1 * ms, 'f'],
      ],
    );
    const rows = await rowsOf({ trace, config: oneSlot, functions: { timeoutMs: 15 } });
    // Told at 15 ms, the first answers a millisecond later; the second never left the queue.
    expect(rows.map(({ tid, endUs, startUs, outcome }) => [tid, startUs, endUs, outcome])).toEqual([
      ['1', 10 * ms, 16 * ms, 'timeout'],
      ['2', -1, 16 * ms, 'timeout'],
    ]);
  });

  it('evicts before it creates, and waits until the memory is free', async () => {
    const trace = new ArrayTrace(
      [F, { ...F, name: 'g' }],
      [
        [0, 'f'],
        [500 * ms, 'g'],
      ],
    );
    const rows = new Kept<InvocationRow>();
    const summary = await simulate({ trace, config: oneSlot, rows, destructionMs: 7 }).summary();
    expect(summary.containers).toMatchObject({ created: 2, evicted: 1 });
    expect(rows.rows[1]).toMatchObject({ fn: 'g@1', state: 'cold', queueUs: 7 * ms, startUs: 607 * ms });
  });

  it('prewarms before the trace begins', async () => {
    const trace = new ArrayTrace(
      [{ ...F, prewarms: 2 }],
      [
        [0, 'f'],
        [0, 'f'],
        [0, 'f'],
      ],
    );
    const rows = await rowsOf({ trace, config: { cpu: { slots: 4 }, memory: { budgetMb: 1000 } } });
    expect(rows.map(({ state, endUs }) => [state, endUs])).toEqual([
      ['prewarm', 10 * ms],
      ['prewarm', 10 * ms],
      ['warm', 20 * ms],
    ]);
  });

  it('takes cores and memory from the machine it is told of, not from this one', async () => {
    const trace = new ArrayTrace(
      [F],
      Array.from({ length: 30 }, () => [0, 'f'] as const),
    );
    const started = async (machine: { cores: number; memoryMb: number }): Promise<number> =>
      (await rowsOf({ trace, machine })).filter(({ state }) => state === 'cold').length;
    expect(await started({ cores: 3, memoryMb: 100_000 })).toBe(3);
    expect(await started({ cores: 30, memoryMb: 1000 })).toBe(8);
  });

  it('fails as often as it is told', async () => {
    const arrivals = Array.from({ length: 400 }, (_, i) => [i * 20 * ms, 'f'] as const);
    const trace = new ArrayTrace([F], arrivals);
    const outcomes = async (options: Partial<SimulationOptions>): Promise<Readonly<Record<string, number>>> =>
      (await simulate({ trace, ...options }).summary()).outcomes;
    expect(await outcomes({ failures: { creation: 1 } })).toEqual({ ok: 0, start_failed: 400 });
    expect((await outcomes({ failures: { userError: 0.5 } }))['user_error']).toBeGreaterThan(150);
    expect((await outcomes({ failures: { outOfMemory: 0.2 } }))['out_of_memory']).toBeGreaterThan(40);
    const crashed = await outcomes({ failures: { crash: 0.2 } });
    const retried = await outcomes({ failures: { crash: 0.2 }, functions: { retries: 3 } });
    expect(crashed['crashed']).toBeGreaterThan(40);
    expect(retried['crashed'] ?? 0).toBeLessThan(10);
  });

  it('runs functions on modelled GPUs, with the GPU times', async () => {
    const gpu = { ...F, devices: ['gpu'] as const, gpuWarmUs: 2 * ms, gpuColdUs: 22 * ms };
    const trace = new ArrayTrace(
      [gpu],
      [
        [0, 'f'],
        [0, 'f'],
        [0, 'f'],
      ],
    );
    const rows = await rowsOf({ trace, config: { cpu: { slots: 4 }, gpu: { count: 2 } } });
    expect(rows.map(({ device, endUs }) => [device, endUs]).sort()).toEqual([
      ['gpu0', 22 * ms],
      ['gpu0', 24 * ms],
      ['gpu1', 22 * ms],
    ]);
  });

  it('lends CPU slots while the machine is idle, when that is configured', async () => {
    const trace = new ArrayTrace(
      [F],
      Array.from({ length: 200 }, (_, i) => [i * 5 * ms, 'f'] as const),
    );
    const config = { cpu: { slots: 1 }, memory: { budgetMb: 10_000 } };
    const oversubscribe = { maxSlots: 4, maxLoad: 0.8, checkMs: 10 };
    const few = await simulate({ trace, config }).summary();
    const more = await simulate({ trace, config: { ...config, cpu: { slots: 1, oversubscribe } } }).summary();
    expect(more.queueUs.mean).toBeLessThan(few.queueUs.mean / 4);
  });

  it('lets a policy without a name be put in', async () => {
    const asked: number[] = [];
    const trace = new ArrayTrace(
      [F, { ...F, name: 'g' }],
      [
        [0, 'f'],
        [500 * ms, 'g'],
      ],
    );
    await simulate({
      trace,
      config: oneSlot,
      adapt: (options) => ({
        ...options,
        eviction: (device) => {
          asked.push(device);
          return new LruEviction();
        },
      }),
    }).summary();
    expect(asked).toEqual([-1]);
  });

  it('refuses what cannot be', async () => {
    const large = new ArrayTrace([{ ...F, memoryMb: 500 }], [[0, 'f']]);
    await expect(simulate({ trace: large, config: oneSlot }).summary()).rejects.toThrow(/f@1 needs 500 MiB/);
    const back = new ArrayTrace(
      [F],
      [
        [5, 'f'],
        [4, 'f'],
      ],
    );
    await expect(simulate({ trace: back }).summary()).rejects.toThrow(/goes back in time/);
    expect(() => new ArrayTrace([F], [[0.5, 'f']])).toThrow(/is not a whole number of µs/);
    expect(() => new ArrayTrace([F], [[0, 'g']])).toThrow(/no function "g"/);
    await expect(simulate({ trace: back, times: 'log-normal', sigma: 9 }).summary()).rejects.toThrow(/sigma/);
  });
});

/** Four functions and more of them than there are slots and memory for, so that there is always something to decide. */
function busyTrace(seed: number, count: number): ArrayTrace {
  const functions = ['a', 'b', 'c', 'd'].map((name, i) => ({
    name,
    memoryMb: 100 * (i + 1),
    warmUs: (i + 1) * 700,
    coldUs: (i + 1) * 9000,
  }));
  let state = seed + 1;
  const next = (n: number): number => {
    state = (state * 48_271) % 2_147_483_647;
    return state % n;
  };
  let at = 0;
  return new ArrayTrace(
    functions,
    Array.from({ length: count }, () => {
      at += next(1500);
      return [at, 'abcd'[next(4)] as string] as const;
    }),
  );
}

const busy = { cpu: { slots: 3 }, memory: { budgetMb: 800 }, keepAlive: { policy: 'ttl', ttlMs: 20 } } as const;

describe('the same input', () => {
  const run = async (name: string, over: Partial<SimulationOptions> = {}) => {
    const trace = busyTrace(3, 3000);
    const rows = new CsvSink(folder.at(`${name}.csv`), invocationTable);
    const options = {
      trace,
      config: busy,
      times: 'log-normal',
      failures: { crash: 0.05 },
      functions: { retries: 1 },
    } as const;
    const summary = await simulate({ ...options, seed: 1, ...over, rows }).summary();
    return { summary, bytes: readFileSync(folder.at(`${name}.csv`)) };
  };

  it('gives the same bytes and the same summary, whoever else is watching', async () => {
    const first = await run('first');
    const second = await run('second');
    const series = await run('third', { series: new CsvSink(folder.at('seconds.csv'), secondTable) });
    expect(first.bytes.equals(second.bytes)).toBe(true);
    expect(first.bytes.equals(series.bytes)).toBe(true);
    expect(second.summary).toEqual(first.summary);
    expect({ ...series.summary, events: 0 }).toEqual({ ...first.summary, events: 0 });
    expect(first.summary.states.cold).toBeGreaterThan(100);
  });

  it('gives something else with another seed', async () => {
    const first = await run('first');
    const other = await run('other', { seed: 2 });
    expect(first.bytes.equals(other.bytes)).toBe(false);
  });
});

describe('rows', () => {
  it('tell of each arrival once, and of nothing impossible', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(10_000), fc.integer({ min: 1, max: 6 }), async (seed, slots) => {
        const count = 300;
        const rows = await rowsOf({ trace: busyTrace(seed, count), config: { ...busy, cpu: { slots } } });
        expect(new Set(rows.map(({ tid }) => tid)).size).toBe(count);
        expect(rows.length).toBe(count);
        let last = 0;
        for (const { arrivalUs, queueUs, startUs, endUs } of rows) {
          expect(endUs).toBeGreaterThanOrEqual(last);
          expect(startUs).toBeGreaterThanOrEqual(arrivalUs + queueUs);
          expect(endUs).toBeGreaterThan(startUs);
          last = endUs;
        }
        // Never more in containers than there are slots.
        const changes = rows.flatMap(
          ({ startUs, endUs }) =>
            [
              [startUs, 1],
              [endUs, -1],
            ] as [number, number][],
        );
        changes.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        let running = 0;
        for (const [, change] of changes) {
          running += change;
          expect(running).toBeLessThanOrEqual(slots);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('of seconds agree with those of invocations', async () => {
    const series = new Kept<SecondRow>();
    const rows = new Kept<InvocationRow>();
    await simulate({ trace: busyTrace(1, 8000), config: busy, rows, series }).summary();
    expect(series.rows.length).toBeGreaterThan(3);
    for (const { second, running, queued, starting } of series.rows) {
      const at = second * 1e6;
      const inside = rows.rows.filter(({ startUs, endUs }) => startUs >= 0 && startUs < at && endUs > at);
      const begun = rows.rows.filter(({ startUs }) => startUs === at).length;
      expect(Math.abs(running - inside.length)).toBeLessThanOrEqual(begun);
      const waiting = rows.rows.filter(({ arrivalUs, queueUs }) => arrivalUs < at && arrivalUs + queueUs > at);
      // One that gets another container than the one made for it is said to have been queued until then.
      expect(queued).toBeLessThanOrEqual(waiting.length);
      expect(queued).toBeGreaterThanOrEqual(waiting.length - starting);
    }
  });
});

describe('the library', () => {
  it('iterates over invocations in the order of their ends, and has a summary afterwards', async () => {
    const simulation = simulate({ trace: busyTrace(1, 500), config: busy });
    const events: SimulationEvent[] = [];
    for await (const event of simulation) events.push(event);
    expect(events.every(({ kind }) => kind === 'invocation')).toBe(true);
    expect(events.length).toBe(500);
    const summary = await simulation.summary();
    expect(summary).toEqual(await simulate({ trace: busyTrace(1, 500), config: busy }).summary());
  });

  it('iterates over seconds as well, if so wished', async () => {
    const kinds = new Set<string>();
    for await (const { kind } of simulate({ trace: busyTrace(1, 3000), config: busy, seconds: true })) kinds.add(kind);
    expect(kinds).toEqual(new Set(['invocation', 'second']));
  });

  it('can be left early, and ends its sinks', async () => {
    const rows = new Kept<InvocationRow>();
    for await (const event of simulate({ trace: busyTrace(1, 500), config: busy, rows })) {
      expect(event.kind).toBe('invocation');
      break;
    }
    expect(rows.ended).toBe(1);
  });

  it('ends its sinks when the trace is broken', async () => {
    const rows = new Kept<InvocationRow>();
    const trace = new ArrayTrace(
      [F],
      [
        [5, 'f'],
        [4, 'f'],
      ],
    );
    await expect(simulate({ trace, rows }).summary()).rejects.toThrow();
    expect(rows.ended).toBe(1);
  });

  it('waits for a sink that has too much to write', async () => {
    let open = (): void => {};
    const rows = new Kept<InvocationRow>();
    rows.pause = new Promise<void>((resolve) => {
      open = resolve;
    });
    let batches = 0;
    const inner = new ArrayTrace([F], []);
    const trace: TraceSource = {
      functions: inner.functions,
      async *arrivals(): AsyncGenerator<ArrivalBatch> {
        for (; batches < 5; ) {
          batches++;
          yield { count: 1, atUs: Float64Array.of(batches * 1e6), fn: Uint32Array.of(0) };
        }
      },
    };
    const summary = simulate({ trace, rows }).summary();
    await new Promise((resolve) => setImmediate(resolve));
    expect(batches).toBe(1);
    rows.pause = null;
    open();
    expect((await summary).invocations).toBe(5);
  });
});
