import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { summaryText } from '../../src/cli/load/summary-text.js';
import { Histogram } from '../../src/results/histogram.js';
import type { LoadRow } from '../../src/results/load-row.js';
import { type RunSummary, SummaryBuilder, type SummaryOptions } from '../../src/results/summary.js';
import { loadRow } from './support/rows.js';

function summaryOf(rows: readonly LoadRow[], options?: SummaryOptions): RunSummary {
  const builder = new SummaryBuilder(options);
  for (const row of rows) builder.add(row);
  return builder.summary();
}

describe('the summary of a run', () => {
  it('counts latency from the intended start, and service from sending', () => {
    const { us } = summaryOf([loadRow({ arrivalUs: 100, sentUs: 300, endUs: 400, codeUs: 60 })]);
    expect([us.latency.max, us.service.max, us.lag.max, us.overhead.max]).toEqual([300, 100, 200, 40]);
  });

  it('tells the cold ratio by the word of the worker and by that of the functions', () => {
    const { coldRatio, codeColdRatio, states } = summaryOf([
      loadRow({ state: 'cold', codeCold: 1 }),
      loadRow({ state: 'prewarm', codeCold: 1 }),
      loadRow({ state: 'warm', codeCold: 0 }),
      loadRow({ state: 'warm', codeCold: -1 }),
      loadRow({ state: '', codeCold: -1, outcome: 'unavailable' }),
    ]);
    expect(coldRatio).toBe(1 / 4);
    expect(codeColdRatio).toBe(2 / 3);
    expect(states).toEqual({ cold: 1, prewarm: 1, warm: 2 });
  });

  it('has nothing to say of what nobody has said', () => {
    const { coldRatio, codeColdRatio, us, slowdown } = summaryOf([
      loadRow({ state: '', codeCold: -1, codeUs: -1, runUs: -1, queueUs: -1, startUs: -1 }),
    ]);
    expect([coldRatio, codeColdRatio]).toEqual([null, null]);
    expect([us.queue.count, us.run.count, us.overhead.count, us.create.count, slowdown.count]).toEqual([0, 0, 0, 0, 0]);
    expect(us.latency.count).toBe(1);
  });

  it('takes the worker’s word for what a function took that says nothing, and says so', () => {
    const { us, ownTime } = summaryOf([loadRow({ codeUs: -1, runUs: 11_000 }), loadRow()]);
    expect(ownTime).toEqual({ byFunction: 1, byWorker: 1 });
    expect([us.overhead.min, us.overhead.max]).toEqual([1000, 2000]);
  });

  it('leaves failures of the platform out of lengths of time, and the functions’ own errors in', () => {
    const summary = summaryOf([
      loadRow({ outcome: 'overloaded', endUs: 1, error: 'full' }),
      loadRow({ outcome: 'user_error', error: 'ValueError: first' }),
      loadRow({ outcome: 'user_error', error: 'ValueError: second', tid: 't3' }),
      loadRow(),
    ]);
    expect(summary.us.latency.count).toBe(3);
    expect(summary.us.latency.min).toBe(12_000);
    expect(summary.outcomes).toEqual({ ok: 1, overloaded: 1, user_error: 2 });
    expect([summary.succeeded, summary.failed]).toEqual([1, 3]);
    expect(summary.errors).toEqual([
      {
        outcome: 'user_error',
        count: 2,
        share: 0.5,
        example: { tid: 't1', fn: 'hello@1', error: 'ValueError: first' },
      },
      { outcome: 'overloaded', count: 1, share: 0.25, example: { tid: 't1', fn: 'hello@1', error: 'full' } },
    ]);
  });

  it('has slowdowns relative to the given, the median or the least warm time, and names which', () => {
    const rows = [100, 200, 400].map((codeUs, i) => loadRow({ arrivalUs: i, endUs: i + 400, codeUs }));
    const median = summaryOf(rows);
    expect(median.functions[0]?.warm).toEqual({ us: 200, from: 'median' });
    expect([median.slowdown.mean, median.slowdown.max]).toEqual([2, 2]);
    const least = summaryOf(rows, { warmTime: 'least' });
    expect(least.functions[0]?.warm).toEqual({ us: 100, from: 'least' });
    expect(least.slowdown.mean).toBe(4);
    const given = summaryOf(rows, { warmUs: new Map([['hello', 50]]) });
    expect(given.functions[0]?.warm).toEqual({ us: 50, from: 'given' });
    expect(given.slowdown.p50).toBeCloseTo(8, 1);
  });

  it('has numbers of so many functions, and of the rest together', () => {
    const rows = ['a', 'b', 'c', 'c', 'd'].map((name) => loadRow({ fn: `${name}@1` }));
    const { functions, otherFunctions, invocations, us } = summaryOf(rows, {
      maxFunctions: 2,
      warmUs: new Map([['c@1', 1000]]),
    });
    expect(functions.map(({ fn }) => fn)).toEqual(['a@1', 'b@1']);
    expect(otherFunctions).toMatchObject({ functions: 2, invocations: 3, slowdown: { count: 2, mean: 12 } });
    expect([invocations, us.latency.count]).toEqual([5, 5]);
  });

  it('tells the rates of arrivals and of answers over the run’s window', () => {
    const rows = [0, 1, 2, 3, 4].map((s) => loadRow({ arrivalUs: s * 1e6, endUs: s * 1e6 + 1e6 }));
    rows[1] = loadRow({ arrivalUs: 1e6, endUs: 2e6, outcome: 'timeout' });
    const { rates, window } = summaryOf(rows);
    expect(rates).toEqual({ offered: 1, answered: 0.8, succeeded: 0.8 });
    expect(window).toEqual({ firstArrivalUs: 0, lastArrivalUs: 4e6, lastEndUs: 5e6 });
  });

  it('has a line for each step of a scaling run', () => {
    const rows = [1, 1, 2, 2, 2, 2].map((clients, i) =>
      loadRow({ clients, client: 0, arrivalUs: clients * 1e6, endUs: clients * 1e6 + 500_000 + i }),
    );
    const { steps } = summaryOf(rows);
    expect(steps.map(({ clients, invocations }) => [clients, invocations])).toEqual([
      [1, 2],
      [2, 4],
    ]);
    expect(steps[1]?.throughput).toBeCloseTo(8, 3);
  });

  it('names what speaks for the generator having been the bottleneck', () => {
    const builder = new SummaryBuilder();
    builder.add(loadRow({ arrivalUs: 0, sentUs: 6000 }));
    builder.add(loadRow({ arrivalUs: 5, sentUs: -1, outcome: 'cancelled' }));
    const { generator } = builder.summary({ eventLoopUtilisation: 0.97, heldBack: 3 });
    expect(generator.unsent).toBe(1);
    expect(generator.bottlenecks).toEqual([
      'a hundredth was sent more than 6.0 ms late',
      'its event loop was busy 97 % of the time',
      '3 were held back by the limit of invocations in flight',
    ]);
    expect(summaryOf([loadRow()]).generator.bottlenecks).toEqual([]);
  });

  it('is JSON, and has numbers even where there was nothing', () => {
    const empty = summaryOf([]);
    expect(JSON.parse(JSON.stringify(empty))).toEqual(empty);
    expect(JSON.stringify(empty)).not.toContain('null,null');
    expect(empty).toMatchObject({ invocations: 0, rates: { offered: 0, answered: 0, succeeded: 0 } });
  });

  it('reads well', () => {
    const text = summaryText(summaryOf([loadRow(), loadRow({ fn: 'b@1', outcome: 'timeout', error: 'late' })]));
    expect(text).toMatch(/invocations +2 in 0 s: 1 ok, 1 timeout/);
    expect(text).toMatch(/latency, from the intended start +1 +12\.0 ms/);
    expect(text).toMatch(/timeout +1 +50\.00 % +b@1: late/);
  });
});

describe('histograms put together', () => {
  const values = fc.array(fc.oneof(fc.nat(600), fc.nat(2 ** 31 - 1), fc.maxSafeNat()), { maxLength: 60 });
  it('are as one that was given all values', () => {
    fc.assert(
      fc.property(values, values, (some, others) => {
        const [a, b, all] = [new Histogram(), new Histogram(), new Histogram()];
        for (const value of some) a.add(value);
        for (const value of others) b.add(value);
        for (const value of [...some, ...others]) all.add(value);
        a.merge(b);
        expect([a.count, a.min, a.max]).toEqual([all.count, all.min, all.max]);
        expect(a.steps()).toEqual(all.steps());
      }),
    );
  });

  it('keep within 0.8 % when scaled', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1000, max: 2 ** 31 }),
        fc.double({ min: 0.01, max: 100, noNaN: true }),
        (v, factor) => {
          const [one, scaled] = [new Histogram(), new Histogram()];
          one.add(v);
          scaled.merge(one, factor);
          const found = scaled.quantile(1);
          expect(found).toBeGreaterThanOrEqual(v * factor * (1 - 0.008) - 1);
          expect(found).toBeLessThanOrEqual(v * factor + 1);
        },
      ),
    );
  });
});
