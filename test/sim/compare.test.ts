import { existsSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { runCommandLine } from '../../src/cli/program.js';
import { parseConfig } from '../../src/config/load.js';
import { EVICTION_POLICIES } from '../../src/config/policy-names.js';
import { type Comparison, compare } from '../../src/sim/compare/compare.js';
import { measure } from '../../src/sim/compare/comparison.js';
import { loadPlotter, specificationOf } from '../../src/sim/compare/plot.js';
import { meansOverSeeds, toCsv, toJson, toMarkdown } from '../../src/sim/compare/table.js';
import { casesOf, parseVariation } from '../../src/sim/compare/variations.js';
import { refusal, TestFolder } from './support/files.js';

const folder = new TestFolder();
const NAMES = ['a', 'b', 'c', 'd', 'e'];
const functions = folder.write(
  'functions.csv',
  `func_name,mem_mb,warm_dur_ms,cold_dur_ms\n${NAMES.map((name, i) => `${name},${100 * (i + 1)},10,${50 * (i + 1)}`).join('\n')}\n`,
);
const rows = Array.from({ length: 400 }, (_, i) => `${NAMES[(i * i + (i % 7)) % 5]},${i * 40}`);
const trace = folder.write('trace.csv', `func_name,invoke_time_ms\n${rows.join('\n')}\n`);
const TRACE = { trace, functions };
const config = parseConfig({});

describe('what is varied', () => {
  test('every combination, the last key fastest, on top of what is common', () => {
    const base = parseConfig({ cpu: { slots: 3 }, queue: { limit: 50 } });
    const cases = casesOf(base, [
      parseVariation('keepAlive.policy=lru,ttl'),
      parseVariation('memory.budgetMb=512,1024'),
    ]);
    expect(cases.map(({ values }) => values.join(' '))).toEqual(['lru 512', 'lru 1024', 'ttl 512', 'ttl 1024']);
    for (const { values, config: own } of cases) {
      expect(own).toEqual({
        ...base,
        keepAlive: { ...base.keepAlive, policy: values[0] },
        memory: { ...base.memory, budgetMb: Number(values[1]) },
      });
    }
  });

  test('entries of a map are added to those that are common', () => {
    const base = parseConfig({ queue: { parameters: { kept: 1, changed: 2 } } });
    const [one] = casesOf(base, [parseVariation('queue.parameters.changed=5')]);
    expect(one?.config.queue.parameters).toEqual({ kept: 1, changed: 5 });
  });

  test('"all" is every policy, and for eviction the offline optimum too, which is no policy of a configuration', () => {
    const variation = parseVariation('keepAlive.policy=all');
    expect(variation.values).toEqual([...EVICTION_POLICIES, 'offline']);
    const last = casesOf(config, [variation]).at(-1);
    expect(last?.offline).toEqual({ cpu: true, gpu: false });
    expect(last?.config).toEqual(config);
  });

  test.each([
    ['no values', () => parseVariation('keepAlive.policy'), 'must be key=value,value'],
    ['an empty value', () => parseVariation('cpu.slots=1,'), 'has an empty value'],
    ['a value twice', () => parseVariation('cpu.slots=1,1'), 'has a value twice'],
    ['an unknown key', () => casesOf(config, [parseVariation('cpu.slot=1')]), 'there is no option "cpu.slot"'],
    ['a value that cannot be', () => casesOf(config, [parseVariation('cpu.slots=many')]), 'cpu.slots'],
    ['an unknown policy', () => casesOf(config, [parseVariation('keepAlive.policy=lru,best')]), 'best'],
    [
      'a key twice',
      () => casesOf(config, [parseVariation('cpu.slots=1'), parseVariation('cpu.slots=2')]),
      'varied twice',
    ],
  ])('%s is refused', async (_, act, message) => {
    expect(await refusal(act)).toContain(message);
  });
});

describe('a comparison', () => {
  const variations = [parseVariation('keepAlive.policy=lru,offline'), parseVariation('memory.budgetMb=500,700,1500')];

  test('in threads gives what one run after the other gives, in the order of the combinations', async () => {
    const done: number[] = [];
    const simulation = { times: 'log-normal' as const, sigma: 0.5 };
    const comparison = await compare({
      trace: TRACE,
      config,
      variations,
      seeds: [1, 2],
      simulation,
      threads: 2,
      progress: (count, total) => done.push(count / total),
    });
    expect(done).toHaveLength(12);
    expect(done.at(-1)).toBe(1);
    const expected: unknown[] = [];
    for (const { values, config: own, offline } of casesOf(config, variations)) {
      for (const seed of [1, 2]) {
        expected.push({
          values,
          seed,
          measures: await measure({ trace: TRACE, config: own, offline, seed, simulation }),
        });
      }
    }
    expect(comparison.runs).toEqual(expected);
    const ratios = comparison.runs.map(({ measures }) => measures.coldRatio);
    expect(new Set(ratios).size).toBeGreaterThan(3);
    expect(comparison.runs.every(({ measures }) => measures.invocations === 400)).toBe(true);
  });

  test('a run that cannot be says under which setting', async () => {
    const broken = folder.write('broken.csv', 'func_name,invoke_time_ms\na,1\na,soon\n');
    const why = await refusal(() =>
      compare({ trace: { trace: broken, functions }, config, variations: [parseVariation('cpu.slots=2')], seeds: [9] }),
    );
    expect(why).toContain('cpu.slots=2 seed 9: ');
    expect(why).toContain('broken.csv, line 3, column 2');
  });
});

describe('the offline optimum', () => {
  /** Belady's rule on pages of one size, from its definition: cold starts of a cache of `room` containers. */
  const belady = (arrivals: readonly number[], room: number): number => {
    const cached = new Set<number>();
    let cold = 0;
    for (const [at, fn] of arrivals.entries()) {
      if (cached.has(fn)) continue;
      cold++;
      if (cached.size === room) {
        const next = (of: number): number => {
          const distance = arrivals.slice(at).indexOf(of);
          return distance < 0 ? Number.POSITIVE_INFINITY : distance;
        };
        const [victim] = [...cached].sort((a, b) => next(b) - next(a));
        cached.delete(victim as number);
      }
      cached.add(fn);
    }
    return cold;
  };

  const run = async (arrivals: readonly number[], sizes: readonly number[], budgetMb: number, offline: boolean) => {
    const own = folder.write(
      'random-functions.csv',
      `func_name,mem_mb,warm_dur_ms\n${sizes.map((size, i) => `f${i},${size},1`).join('\n')}\n`,
    );
    const file = folder.write(
      'random.csv',
      `func_name,invoke_time_ms\n${arrivals.map((fn, i) => `f${fn},${i * 100}`).join('\n')}\n`,
    );
    const measures = await measure({
      trace: { trace: file, functions: own },
      config: parseConfig({ memory: { budgetMb } }),
      offline: { cpu: offline, gpu: false },
      seed: 0,
      simulation: {},
    });
    expect(measures.failed).toBe(0);
    return measures.coldStarts;
  };

  test("has as many cold starts as Belady's rule, the least there can be, when all containers are of one size", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat(6), { minLength: 1, maxLength: 80 }),
        fc.integer({ min: 1, max: 6 }),
        async (arrivals, room) => {
          expect(await run(arrivals, new Array(7).fill(100), 100 * room, true)).toBe(belady(arrivals, room));
        },
      ),
      { numRuns: 100 },
    );
  });

  test('among functions of different sizes that are needed at the same time, the large one goes', async () => {
    // f0 (300) and f1 (100) are cached; f2 needs room; then come f0 or f1, equally far. Keeping the small ones is better.
    const arrivals = [0, 1, 2, 1, 2, 1, 2, 0];
    expect(await run(arrivals, [300, 100, 100], 400, true)).toBe(4);
  });
});

describe('as text', () => {
  const measures = (coldRatio: number) => ({
    invocations: 10,
    failed: 0,
    coldStarts: coldRatio * 10,
    coldRatio,
    meanSlowdown: 1 + coldRatio,
    meanQueueMs: 0.25,
    p99QueueMs: 2,
    meanCachedMb: 100,
    meanRunningMb: 50,
    evicted: 1,
    expired: 0,
  });
  const comparison: Comparison = {
    keys: ['keepAlive.policy', 'memory.budgetMb'],
    runs: [
      { values: ['lru', '512'], seed: 1, measures: measures(0.2) },
      { values: ['lru', '512'], seed: 2, measures: measures(0.4) },
      { values: ['offline', '512'], seed: 1, measures: measures(0.1) },
    ],
  };

  test('machines get every run, people the means over the seeds', () => {
    expect(
      meansOverSeeds(comparison).map(({ values, measures: { coldRatio } }) => [values[0], coldRatio.toFixed(6)]),
    ).toEqual([
      ['lru', '0.300000'],
      ['offline', '0.100000'],
    ]);
    const csv = toCsv(comparison).trimEnd().split('\n');
    expect(csv).toHaveLength(4);
    expect(csv[0]).toBe(
      'keepAlive.policy,memory.budgetMb,seed,invocations,failed,cold_starts,cold_ratio,mean_slowdown,mean_queue_ms,p99_queue_ms,mean_cached_mb,mean_running_mb,evicted,expired',
    );
    expect(csv[2]).toBe('lru,512,2,10,0,4,0.4,1.4,0.25,2,100,50,1,0');
    expect(JSON.parse(toJson(comparison))).toHaveLength(3);
    expect(JSON.parse(toJson(comparison))[2]).toMatchObject({
      'keepAlive.policy': 'offline',
      seed: 1,
      cold_ratio: 0.1,
    });
    const one: Comparison = {
      keys: ['keepAlive.policy'],
      runs: comparison.runs.map((run) => ({ ...run, values: [run.values[0] as string] })),
    };
    const lines = toMarkdown(one).trimEnd().split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[2]).toMatch(/^\| lru \| 10 \| 0 \| 3 \| 0\.3000 \| 1\.30 \|/);
  });

  test('with two keys varied, the numbers run across', () => {
    const wide: Comparison = {
      ...comparison,
      runs: [0.5, 0.25].flatMap((ratio, i) => [
        { values: ['lru', String(512 * (i + 1))], seed: 1, measures: measures(ratio) },
        { values: ['offline', String(512 * (i + 1))], seed: 1, measures: measures(ratio / 2) },
      ]),
    };
    expect(toMarkdown(wide).split('\n').slice(0, 6)).toEqual([
      '**cold ratio**, by memory.budgetMb:',
      '',
      '| keepAlive.policy | 512 | 1024 |',
      '| --- | ---: | ---: |',
      '| lru | 0.5000 | 0.2500 |',
      '| offline | 0.2500 | 0.1250 |',
    ]);
    expect(toMarkdown(wide).match(/^\*\*/gm)).toHaveLength(4);
  });

  test('as a picture: both panels, a line for each, the bound dashed, twice the same', async () => {
    const draw = await loadPlotter();
    const svg = await draw(comparison);
    expect(svg).toMatch(/^<svg /);
    for (const text of ['cold-start ratio', 'mean slowdown', 'memory.budgetMb', 'lru', 'offline', 'stroke-dasharray']) {
      expect(svg).toContain(text);
    }
    expect(await draw(comparison)).toBe(svg);
  });

  test('the axis is the key with the most numbers; what spans orders of magnitude is drawn logarithmically', () => {
    const wide: Comparison = {
      keys: ['cpu.slots', 'memory.budgetMb', 'keepAlive.policy'],
      runs: ['512', '1024', '2048'].map((memory, i) => ({
        values: ['2', memory, 'lru'],
        seed: 1,
        measures: { ...measures(0.1), meanSlowdown: 10 ** (2 * i) },
      })),
    };
    const { hconcat } = specificationOf(wide) as { hconcat: { encoding: { x: object; y: { scale: object } } }[] };
    expect(hconcat.map(({ encoding }) => encoding.x)).toEqual(
      new Array(2).fill(expect.objectContaining({ title: 'memory.budgetMb', type: 'quantitative' })),
    );
    expect(hconcat.map(({ encoding }) => encoding.y.scale)).toEqual([{ zero: true }, { type: 'log' }]);
  });
});

describe('iluvatar sim compare', () => {
  const run = async (...more: string[]): Promise<{ code: number; stdout: string }> => {
    let stdout = '';
    const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
      stdout += text;
      return true;
    });
    const quiet = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    try {
      const code = await runCommandLine(['sim', 'compare', '--trace', trace, '--functions', functions, ...more]);
      return { code, stdout };
    } finally {
      write.mockRestore();
      quiet.mockRestore();
    }
  };

  test('prints a table, and writes one and a picture', async () => {
    const out = folder.at('table.csv');
    const plot = folder.at('plot.svg');
    const { code, stdout } = await run(
      '--policies',
      'lru,offline',
      '--memory',
      '512m,1g',
      '--out',
      out,
      '--plot',
      plot,
    );
    expect(code).toBe(0);
    expect(stdout.trimEnd().split('\n')).toHaveLength(5);
    expect(stdout).toContain('MEAN SLOWDOWN');
    expect(readFileSync(out, 'utf8').trimEnd().split('\n')).toHaveLength(5);
    expect(readFileSync(plot, 'utf8')).toMatch(/^<svg /);
  });

  test.each([
    [['--policies', 'lru', '--out', 'table.txt'], 2],
    [['--policies', 'lru', '--plot', 'plot.png'], 2],
    [['--policies', 'lru', '--time-model', 'random'], 2],
    [['--policies', 'worst'], 7],
    [[], 2],
  ])('%j is refused before anything runs', async (more, code) => {
    expect(await run(...more)).toEqual({ code, stdout: '' });
    expect(existsSync('table.txt') || existsSync('plot.png')).toBe(false);
  });
});
