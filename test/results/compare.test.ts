import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { comparisonText } from '../../src/cli/load/comparison-text.js';
import { seededRandom } from '../../src/core/random.js';
import { blocksOf } from '../../src/results/compare/blocks.js';
import { interval } from '../../src/results/compare/bootstrap.js';
import { type ComparisonLine, compareRuns } from '../../src/results/compare/compare.js';
import { cliffsDelta, Side } from '../../src/results/compare/statistics.js';
import type { LoadRow } from '../../src/results/load-row.js';
import { openResults, type Results } from '../../src/results/readers/open-results.js';
import { TimeBins } from '../../src/results/time-bins.js';
import { makeExperiment } from './support/experiments.js';
import { loadRow } from './support/rows.js';

/** A run in memory. */
function run(name: string, rows: readonly LoadRow[], timed = true): Results {
  return {
    name,
    path: name,
    experiment: null,
    summary: null,
    secondsFile: null,
    metricFiles: [],
    rows: {
      kind: 'load',
      file: name,
      timed,
      async *rows() {
        yield* rows;
      },
    },
  };
}

/** Latencies that stay high or low for a while, as queues make them: 100 invocations a second. */
function correlated(seed: number, seconds: number, holdSeconds: number): LoadRow[] {
  const random = seededRandom(seed);
  let level = 10_000;
  return Array.from({ length: seconds * 100 }, (_, i) => {
    if (i % (holdSeconds * 100) === 0) level = 5000 + Math.round(15_000 * random());
    return loadRow({ arrivalUs: i * 10_000, endUs: i * 10_000 + level + Math.round(500 * random()) });
  });
}

const OPTIONS = { resamples: 300, seed: 3 };

function lineOf(lines: readonly ComparisonLine[], name: string): ComparisonLine {
  return lines.find(({ statistic }) => statistic === name) as ComparisonLine;
}

describe('blocks', () => {
  it('fold as a run grows, and hold everything', () => {
    const bins = new TimeBins(8);
    const rows = Array.from({ length: 1000 }, (_, i) => loadRow({ arrivalUs: 500_000 + i * 997 }));
    for (const row of rows) bins.add(row);
    const all = bins.bins();
    expect(all.length).toBeLessThanOrEqual(8);
    expect(all.length).toBeGreaterThanOrEqual(3);
    expect(all.reduce((sum, { bin }) => sum + bin.counts.invocations, 0)).toBe(1000);
    expect([all[0]?.beginUs, all.at(-1)?.endUs]).toEqual([500_000, 500_000 + 999 * 997]);
  });

  it('of rows whose time is not known are rows in their order', async () => {
    const { blocks, timed } = await blocksOf(
      run(
        'a',
        Array.from({ length: 500 }, () => loadRow()),
        false,
      ),
    );
    expect(timed).toBe(false);
    expect(blocks.length).toBeGreaterThan(20);
    expect(blocks.reduce((sum, { invocations }) => sum + invocations, 0)).toBe(500);
  });

  it('tell whether neighbours are alike', async () => {
    const alike = await blocksOf(run('a', correlated(1, 400, 40)), { blockUs: 2e6 });
    const apart = await blocksOf(run('a', correlated(1, 400, 2)), { blockUs: 2e6 });
    expect(alike.correlation).toBeGreaterThan(0.6);
    expect(Math.abs(apart.correlation as number)).toBeLessThan(0.3);
  });
});

describe('statistics', () => {
  it("have Cliff's delta as counting all pairs gives it", async () => {
    const random = seededRandom(5);
    const values = (n: number): number[] => Array.from({ length: n }, () => Math.floor(random() * 40));
    const [a, b] = [values(60), values(80)];
    const side = async (all: readonly number[]): Promise<Side> =>
      new Side([
        await blocksOf(
          run(
            'x',
            all.map((us, i) => loadRow({ arrivalUs: i * 1000, endUs: i * 1000 + us })),
          ),
        ),
      ]);
    const pairs = b.flatMap((y) => a.map((x) => Math.sign(y - x)));
    const exact = pairs.reduce<number>((sum, sign) => sum + sign, 0) / pairs.length;
    expect(cliffsDelta(await side(a), await side(b))).toBeCloseTo(exact, 12);
  });

  it('of everything are those of the rows', async () => {
    const rows = correlated(2, 20, 1);
    const { mean, p50, throughput, failed } = new Side([await blocksOf(run('a', rows))]).observed();
    const latencies = rows.map(({ endUs, arrivalUs }) => endUs - arrivalUs).sort((x, y) => x - y);
    expect(mean).toBeCloseTo(latencies.reduce((sum, us) => sum + us, 0) / rows.length, 6);
    expect(p50).toBeGreaterThan((latencies[999] as number) * (1 - 1 / 256));
    expect(p50).toBeLessThanOrEqual(latencies[999] as number);
    expect([Math.round(throughput), failed]).toEqual([100, 0]);
  });

  it('have intervals that leave out as much on either side', () => {
    const sorted = Float64Array.from({ length: 1001 }, (_, i) => i);
    expect(interval(sorted, 0.9)).toEqual([50, 950]);
    expect(interval(new Float64Array(), 0.9)).toBeNull();
  });
});

describe('a comparison', () => {
  let folder: string;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-compare-'));
    await makeExperiment(join(folder, 'a'), { seed: 1, rows: 3000 });
    await makeExperiment(join(folder, 'slower'), { seed: 2, rows: 3000, factor: 1.5 });
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const open = (name: string): Promise<Results> => openResults(join(folder, name));

  it('sees what is slower, by how much, and to whom it matters', async () => {
    const comparison = await compareRuns([await open('a')], [await open('slower')], OPTIONS);
    const median = lineOf(comparison.lines, 'p50');
    expect(median.verdict).toBe('worse');
    expect(median.interval[0]).toBeGreaterThan(0);
    expect(median.relative?.difference).toBeGreaterThan(0.3);
    expect(comparison.effect).toBeGreaterThan(0.1);
    const back = await compareRuns([await open('slower')], [await open('a')], OPTIONS);
    expect(lineOf(back.lines, 'p50').verdict).toBe('better');
    expect(back.effect).toBeCloseTo(-(comparison.effect as number), 12);
    expect(comparisonText(comparison)).toMatch(/p50 latency .*B is worse/);
  });

  it('sees nothing between a run and itself, and says how much it would have seen', async () => {
    const comparison = await compareRuns([await open('a')], [await open('a')], OPTIONS);
    expect(comparison.effect).toBe(0);
    for (const { verdict, difference } of comparison.lines) {
      expect(difference).toBe(0);
      expect(['none', 'unknown']).toContain(verdict);
    }
    expect(comparisonText(comparison)).toMatch(/mean latency .*no difference seen at this resolution \(± \d+\.\d %\)/);
    expect(comparison.notes.join()).toMatch(/one run a side/);
  });

  it('gives the same for the same seed, and other intervals for another', async () => {
    const [a, b] = [await open('a'), await open('slower')];
    const once = await compareRuns([a], [b], OPTIONS);
    expect(await compareRuns([a], [b], OPTIONS)).toEqual(once);
    const other = await compareRuns([a], [b], { ...OPTIONS, seed: 4 });
    expect(lineOf(other.lines, 'mean').interval).not.toEqual(lineOf(once.lines, 'mean').interval);
  });

  it('is rarely wrong of equal runs whose invocations hang together; one by one it would be', async () => {
    let [wrong, naive] = [0, 0];
    const trials = 16;
    for (let trial = 0; trial < trials; trial++) {
      const [a, b] = [run('a', correlated(100 + trial, 80, 2)), run('b', correlated(200 + trial, 80, 2))];
      const judged = async (blockUs: number): Promise<boolean> => {
        const { lines } = await compareRuns([a], [b], { resamples: 100, seed: trial, blockUs, tolerance: 0 });
        return lineOf(lines, 'mean').verdict !== 'none';
      };
      if (await judged(4e6)) wrong++;
      // Ten invocations a block: as good as alone, against two seconds in which all are alike.
      if (await judged(100_000)) naive++;
    }
    expect(wrong).toBeLessThanOrEqual(trials / 8);
    expect(naive).toBeGreaterThan(trials / 3);
  });

  it('of several runs a side takes what runs differ by into account', async () => {
    // Each run has a level of its own; between the sides there is nothing.
    const runs = (seed: number): Results[] =>
      [0, 1, 2, 3, 4].map((i) => {
        const level = 10_000 + Math.round(5000 * seededRandom(seed, i)());
        return run(
          `${seed}-${i}`,
          Array.from({ length: 2000 }, (_, k) => loadRow({ arrivalUs: k * 1000, endUs: k * 1000 + level + (k % 50) })),
        );
      });
    const [a, b] = [runs(1), runs(2)];
    const one = await compareRuns(a.slice(0, 1), b.slice(0, 1), OPTIONS);
    const five = await compareRuns(a, b, OPTIONS);
    const width = ({ interval: [low, high] }: ComparisonLine): number => high - low;
    expect(width(lineOf(five.lines, 'mean'))).toBeGreaterThan(10 * width(lineOf(one.lines, 'mean')));
    expect(lineOf(five.lines, 'mean').verdict).toBe('none');
    expect(five.notes.join()).not.toMatch(/a side/);
  });

  it('says nothing of quantiles that a handful of values decides, and of differences that do not matter', async () => {
    const rows = (extra: number): LoadRow[] =>
      Array.from({ length: 800 }, (_, i) =>
        loadRow({ arrivalUs: i * 1000, endUs: i * 1000 + 100_000 + extra + (i % 7) }),
      );
    const { lines } = await compareRuns([run('a', rows(0))], [run('b', rows(500))], OPTIONS);
    expect(lineOf(lines, 'p99').verdict).toBe('unknown');
    expect(lineOf(lines, 'mean').verdict).toBe('negligible');
  });

  it('refuses what cannot be compared', async () => {
    await expect(compareRuns([run('a', [])], [run('b', [loadRow()])])).rejects.toThrow(/no invocations to compare/);
    await expect(compareRuns([await open('a')], [await open('a')], { confidence: 1 })).rejects.toThrow(/confidence/);
  });
});
