import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { ArrivalModel } from '../../src/load/generate/choices.js';
import { analyzeTrace, writeTrace } from '../../src/load/generate/generate.js';
import { type PlanOptions, planTrace } from '../../src/load/generate/plan.js';
import { planSpec, readSpec } from '../../src/load/generate/spec.js';
import { TraceAnalysis } from '../../src/load/generate/trace-analysis.js';
import { ArrayTrace } from '../../src/traces/array-trace.js';
import { openTrace } from '../../src/traces/open-trace.js';
import type { TraceSource } from '../../src/traces/trace-source.js';
import { arrivalsOf, refusal, TestFolder } from '../sim/support/files.js';

const folder = new TestFolder();
const S = 1e6;
const PLAN: PlanOptions = {
  limits: { minInvocations: 1, maxWarmUs: Number.POSITIVE_INFINITY, maxMemoryMb: Number.POSITIVE_INFINITY },
  sample: null,
  names: null,
  model: 'trace',
  intensity: { speed: 1 },
  fromUs: 0,
  durationUs: null,
  keep: 1,
  seed: 3,
};

/** 100 s: `often` four times a second, evenly, `burst` ten at once every 10 s, `once` in the middle. */
const source = new ArrayTrace(
  [
    { name: 'often', memoryMb: 64, warmUs: 50_000, coldUs: 500_000 },
    { name: 'burst', memoryMb: 128, warmUs: 100_000 },
    { name: 'once', memoryMb: 512, warmUs: 20 * S },
  ],
  [
    ...Array.from({ length: 400 }, (_, i): [number, string] => [i * 250_000, 'often']),
    ...Array.from({ length: 100 }, (_, i): [number, string] => [Math.floor(i / 10) * 10 * S + (i % 10), 'burst']),
    [50 * S, 'once'] as [number, string],
    [100 * S, 'often'] as [number, string],
  ].sort(([a], [b]) => a - b),
);

async function planned(
  options: Partial<PlanOptions> = {},
  from: TraceSource = source,
): Promise<TraceSource & { lengthUs: number }> {
  const { functions, arrivals, lengthUs } = await planTrace(from, { ...PLAN, ...options });
  return { functions, arrivals: () => arrivals.arrivals(), lengthUs };
}

const countsOf = async (trace: TraceSource): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const [, name] of await arrivalsOf(trace)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};

describe('a trace made from another', () => {
  it('is that trace, when nothing is asked for', async () => {
    const whole = await planned();
    expect(await arrivalsOf(whole)).toEqual(await arrivalsOf(source));
    expect(whole.functions).toEqual(source.functions);
    expect(whole.lengthUs).toBe(100 * S);
  });

  it('is a part of it: some functions, from a time, for a time', async () => {
    const part = await planned({ names: ['burst'], fromUs: 15 * S, durationUs: 20 * S });
    const arrivals = await arrivalsOf(part);
    expect(part.functions.map(({ name }) => name)).toEqual(['burst']);
    expect(arrivals.map(([at]) => at)).toEqual(
      [0, 1].flatMap((burst) => Array.from({ length: 10 }, (_, i) => (5 + 10 * burst) * S + i)),
    );
  });

  it('leaves out what is called too rarely, runs too long, or is too large', async () => {
    const limits = { minInvocations: 2, maxWarmUs: 60_000, maxMemoryMb: 100 };
    expect((await planned({ limits: { ...PLAN.limits, minInvocations: 2 } })).functions.length).toBe(2);
    expect((await planned({ limits })).functions.map(({ name }) => name)).toEqual(['often']);
    const none = { ...limits, minInvocations: 1000 };
    expect(await refusal(() => planned({ limits: none }))).toMatch(/none of the 3 functions.*called 401 times/);
  });

  it("is faster: by a factor, to a rate, or to a load by Little's law", async () => {
    const twice = await arrivalsOf(await planned({ intensity: { speed: 2 } }));
    expect(twice).toEqual((await arrivalsOf(source)).map(([at, name]) => [Math.floor(at / 2), name]));
    const rate = await planned({ intensity: { rate: 50.2 } });
    expect(rate.lengthUs).toBe(10 * S);
    // 401 × 50 ms + 100 × 100 ms + 20 s in 100 s keep 0.5005 slots busy.
    const busy = await planned({ intensity: { busySlots: 5.005 } });
    expect(busy.lengthUs).toBeCloseTo(10 * S, 3);
    const { expected } = await analyzeTrace({ functions: busy.functions, arrivals: busy, lengthUs: busy.lengthUs });
    expect(expected.busySlots).toBeCloseTo(5.005, 6);
  });

  it('is as busy as asked for in the part that is taken, however busy the rest is', async () => {
    // `once`, in the middle, has half of all work: the beginning has less than the mean.
    for (const busySlots of [0.5, 4]) {
      const part = await planned({ intensity: { busySlots }, durationUs: 10 * S });
      const { expected } = await analyzeTrace({ functions: part.functions, arrivals: part, lengthUs: part.lengthUs });
      // Up to one invocation, which cannot be parted.
      expect(Math.abs(expected.busySlots - busySlots)).toBeLessThan(0.02);
    }
    const rate = await planned({ intensity: { rate: 20 }, fromUs: 5 * S, durationUs: 10 * S, names: ['often'] });
    expect((await arrivalsOf(rate)).length).toBe(200);
    expect(await refusal(() => planned({ intensity: { rate: 100 }, durationUs: 10 * S }))).toMatch(
      /makes 50 % of what/,
    );
  });

  it('is thinner by chance, and aims at a rate all the same', async () => {
    const { often = 0, burst = 0 } = await countsOf(await planned({ keep: 0.25 }));
    // 501 draws of 1/4: 125 ± 5 · 9.7.
    expect(often + burst).toBeGreaterThan(77);
    expect(often + burst).toBeLessThan(174);
    expect((await planned({ keep: 0.5, intensity: { rate: 25.1 } })).lengthUs).toBeCloseTo(10 * S, 0);
  });

  it.each(['exponential', 'fixed', 'ecdf'] as const)(
    '%s: each function at its mean rate, the same for the same seed',
    async (model: ArrivalModel) => {
      const made = await planned({ model, durationUs: 1000 * S });
      const arrivals = await arrivalsOf(made);
      expect(await arrivalsOf(made)).toEqual(arrivals);
      expect(await arrivalsOf(await planned({ model, durationUs: 1000 * S, seed: 4 }))).not.toEqual(arrivals);
      const times = arrivals.map(([at]) => at);
      expect(times).toEqual(times.toSorted((a, b) => a - b));
      expect(times.at(-1)).toBeLessThan(1000 * S);
      const { often = 0, burst = 0, once = 0 } = await countsOf(made);
      expect(often).toBeGreaterThan(4010 * 0.9);
      expect(often).toBeLessThan(4010 * 1.1);
      // Of bursts the number varies more, and 10 of `once` are expected.
      expect(burst).toBeGreaterThan(500);
      expect(burst).toBeLessThan(1500);
      expect(once).toBeGreaterThan(0);
    },
  );

  it('keeps what is typical of each: regular, Poisson, or as bursty as it was', async () => {
    const cvOf = async (model: ArrivalModel): Promise<Record<string, number | null>> => {
      const made = await planned({ model, durationUs: 2000 * S, names: ['often', 'burst'] });
      const { mostCalled } = await analyzeTrace({ functions: made.functions, arrivals: made });
      return Object.fromEntries(mostCalled.map(({ name, gapCv }) => [name, gapCv]));
    };
    expect((await cvOf('fixed'))['burst']).toBeCloseTo(0, 3);
    expect((await cvOf('exponential'))['burst']).toBeCloseTo(1, 0);
    // 9 gaps of nothing for each of 10 s: √9.
    expect((await cvOf('ecdf'))['burst']).toBeGreaterThan(2.5);
    expect((await cvOf('ecdf'))['often']).toBeCloseTo(0, 2);
  });

  it.each([
    ['a name that is none', { names: ['often', 'nobody'] }, /no such function within the limits: nobody/],
    ['a beginning behind the end', { fromUs: 200 * S }, /100 s long: it has nothing to begin with at 200 s/],
    ['a beginning of what a process makes', { fromUs: S, model: 'fixed' as const }, /no place in the trace/],
  ])('refuses %s', async (_what, options, message) => {
    expect(await refusal(() => planned(options))).toMatch(message);
  });
});

describe('a trace made from the Azure layout', () => {
  const azure = folder.at('azure');
  mkdirSync(azure);
  const minutes = Array.from({ length: 1440 }, (_, i) => i + 1);
  const counts = (of: (minute: number) => number): string => minutes.map((_, minute) => of(minute)).join(',');
  folder.write(
    'azure/invocations_per_function_md.anon.d01.csv',
    [
      `HashOwner,HashApp,HashFunction,Trigger,${minutes.join(',')}`,
      `o,A,f,http,${counts((minute) => (minute < 10 ? 6 : 0))}`,
      `o,A,g,timer,${counts((minute) => (minute % 5 === 0 ? 1 : 0))}`,
      `o,B,h,http,${counts(() => 3)}`,
      '',
    ].join('\n'),
  );
  folder.write(
    'azure/function_durations_percentiles.anon.d01.csv',
    'HashOwner,HashApp,HashFunction,Average,Maximum\no,A,f,100,900\no,A,g,50,700\no,B,h,2000,3000\n',
  );
  folder.write('azure/app_memory_percentiles.anon.d01.csv', 'HashOwner,HashApp,AverageAllocatedMb\no,A,200\no,B,30\n');

  it('has the counts of the chosen functions, minute by minute', async () => {
    const part = await planned({ names: ['A-f', 'B-h'], durationUs: 12 * 60 * S }, await openTrace({ trace: azure }));
    expect(await countsOf(part)).toEqual({ 'A-f': 60, 'B-h': 36 });
    const perMinute = new Map<string, number>();
    for (const [at, name] of await arrivalsOf(part)) {
      const key = `${name} ${Math.floor(at / (60 * S))}`;
      perMinute.set(key, (perMinute.get(key) ?? 0) + 1);
    }
    expect(perMinute.get('A-f 9')).toBe(6);
    expect(perMinute.get('A-f 10')).toBeUndefined();
    expect(perMinute.get('B-h 11')).toBe(3);
  });

  it('knows how often they are called without making their arrivals', async () => {
    const { functions } = await planned(
      { sample: { strategy: 'popular', count: 1, candidates: 1 } },
      await openTrace({ trace: azure }),
    );
    expect(functions.map(({ name }) => name)).toEqual(['B-h']);
  });

  it('is as busy as asked for in the minutes that are taken', async () => {
    const trace = await openTrace({ trace: azure });
    const part = await planned({ intensity: { rate: 1 }, names: ['A-f', 'B-h'], durationUs: 60 * S }, trace);
    // 9 a minute at first: 6 ⅔ minutes of the trace in one. Where in its minute each is, is chance.
    expect(Math.abs((await arrivalsOf(part)).length - 60)).toBeLessThan(9);
    expect(await countsOf(part)).toMatchObject({ 'A-f': expect.any(Number), 'B-h': expect.any(Number) });
  });

  it('learns gaps from counts of minutes', async () => {
    const trace = await openTrace({ trace: azure, spread: 'even' });
    const made = await planned({ model: 'ecdf', names: ['A-g'], durationUs: 24 * 3600 * S }, trace);
    const times = (await arrivalsOf(made)).map(([at]) => at);
    const gaps = times.slice(1).map((at, i) => at - (times[i] as number));
    // Once in every fifth minute, anywhere in it.
    for (const gap of gaps) {
      expect(gap).toBeGreaterThan(4 * 60 * S - 1);
      expect(gap).toBeLessThan(6 * 60 * S + 1);
    }
    expect(gaps.length).toBeGreaterThan(250);
  });
});

describe('the files of a trace', () => {
  it('are read back as what was planned', async () => {
    const file = folder.at('written.csv');
    const { functions, arrivals, lengthUs } = await planTrace(source, PLAN);
    const written = await writeTrace({ functions, arrivals, lengthUs }, { file, precision: 'us' });
    expect(written).toMatchObject({ complete: true, uncalled: 0, functionsFile: folder.at('written-functions.csv') });
    const again = await openTrace({ trace: file, functions: written.functionsFile });
    expect(await arrivalsOf(again)).toEqual(await arrivalsOf(source));
    expect(again.functions.map(({ name, memoryMb, warmUs, coldUs }) => [name, memoryMb, warmUs, coldUs])).toEqual([
      ['often', 64, 50_000, 500_000],
      ['burst', 128, 100_000, 100_000],
      ['once', 512, 20 * S, 20 * S],
    ]);
    expect(again.functions.map(({ meanIatUs }) => meanIatUs)).toEqual([250_000, expect.any(Number), null]);
  });

  it('have whole milliseconds for the original, and the functions that are called', async () => {
    const file = folder.at('whole.csv');
    const plan = await planTrace(source, { ...PLAN, durationUs: 300_000 });
    expect(await writeTrace(plan, { file, precision: 'ms' })).toMatchObject({ uncalled: 1 });
    const lines = readFileSync(file, 'utf8').trim().split('\n');
    expect(lines[0]).toBe('func_name,invoke_time_ms');
    expect(lines.slice(1)).toEqual(['often,0', ...Array.from({ length: 10 }, () => 'burst,0'), 'often,250']);
    expect(readFileSync(folder.at('whole-functions.csv'), 'utf8').split('\n').slice(0, 2)).toEqual([
      'func_name,cold_dur_ms,warm_dur_ms,mem_mb,mean_iat,compute,prewarms',
      'often,500,50,64,250,CPU,',
    ]);
  });

  it('are whole up to where it was interrupted', async () => {
    const file = folder.at('interrupted.csv');
    const many = planSpec(
      [{ name: 'a', iatMs: 1, warmMs: 1, memoryMb: 1, arrivals: 'fixed', prewarms: 0, devices: ['cpu'] }],
      60 * S,
      1,
      1,
    );
    const interruption = new AbortController();
    const written = await writeTrace(many, {
      file,
      precision: 'us',
      signal: interruption.signal,
      progress: () => interruption.abort(),
    });
    expect(written.complete).toBe(false);
    const again = await openTrace({ trace: file, functions: written.functionsFile });
    expect((await arrivalsOf(again)).length).toBe(written.summary.invocations);
    expect(written.summary.invocations).toBeLessThan(60_000);
  });

  it('are not made when nothing is called', async () => {
    const file = folder.at('nothing.csv');
    const plan = await planTrace(source, { ...PLAN, names: ['once'], durationUs: S });
    expect(await refusal(() => writeTrace(plan, { file, precision: 'ms' }))).toMatch(/nothing is called/);
    expect(existsSync(file)).toBe(false);
  });
});

describe('what a trace is like', () => {
  it("counts, and expects by Little's law", async () => {
    const summary = await analyzeTrace({ functions: source.functions, arrivals: source, lengthUs: 100 * S });
    expect(summary).toMatchObject({ functions: 3, called: 3, invocations: 502, lengthS: 100 });
    expect(summary.rate).toEqual({ mean: 5.02, peak: 15 });
    expect(summary.expected.busySlots).toBeCloseTo(0.5005, 9);
    expect(summary.expected.busySlotsCold).toBeCloseTo((401 * 0.5 + 10 + 20) / 100, 9);
    expect(summary.expected.runningMb).toBeCloseTo((401 * 0.05 * 64 + 10 * 128 + 20 * 512) / 100, 9);
    expect(summary.expected.oneEachMb).toBe(704);
    // At 60 s: ten of a burst, one of `often`, and `once`, which goes on for 20 s.
    expect([summary.expected.peakSlots, summary.expected.peakRunningMb]).toEqual([12, 10 * 128 + 64 + 512]);
    expect(summary.popularity.first).toBeCloseTo(401 / 502, 9);
    expect(summary.mostCalled[0]).toMatchObject({ name: 'often', invocations: 401, meanIatMs: 250 });
    expect(summary.mostCalled[0]?.gapCv).toBeCloseTo(0, 9);
  });

  it('is nothing of nothing', () => {
    expect(new TraceAnalysis([]).summary()).toMatchObject({ invocations: 0, rate: { mean: 0, peak: 0 } });
  });
});

describe('functions out of nothing', () => {
  it('are read from YAML, and called as it says', async () => {
    const spec = readSpec(
      folder.write(
        'spec.yaml',
        'functions:\n  - {name: api, iatMs: 20, warmMs: 5, coldMs: 300}\n  - {name: job, iatMs: 100, warmMs: 50, arrivals: fixed, onMs: 1000, offMs: 9000}\n',
      ),
    );
    const plan = planSpec(spec, 100 * S, 1, 5);
    const trace = { functions: plan.functions, arrivals: () => plan.arrivals.arrivals() };
    expect(plan.functions).toMatchObject([
      { name: 'api', memoryMb: 128, warmUs: 5000, coldUs: 300_000 },
      { name: 'job', warmUs: 50_000, coldUs: 50_000 },
    ]);
    const { api = 0, job = 0 } = await countsOf(trace);
    // 5,000 ± 5 · √5000 of a Poisson process; 10 a burst.
    expect(Math.abs(api - 5000)).toBeLessThan(354);
    expect(job).toBe(100);
    const bursts = new Set(
      (await arrivalsOf(trace)).flatMap(([at, name]) => (name === 'job' ? [at % (10 * S) < S + 1] : [])),
    );
    expect([...bursts]).toEqual([true]);
  });

  it.each([
    [
      'a name that is none',
      'functions:\n  - name: "a/b"\n    iatMs: 1\n    warmMs: 1\n',
      /line 2, column 11: functions\.0\.name/,
    ],
    [
      'a time that is none',
      'functions:\n  - name: a\n    iatMs: -5\n    warmMs: 1\n',
      /line 3, column 12: functions\.0\.iatMs/,
    ],
    ['a field that is none', 'functions:\n  - name: a\n    iat: 5\n', /line 2, column 5: functions\.0/],
    ['half a burst', 'functions:\n  - {name: a, iatMs: 1, warmMs: 1, onMs: 5}\n', /onMs and offMs belong together/],
    [
      'two of one name',
      'functions:\n  - {name: a, iatMs: 1, warmMs: 1}\n  - {name: a, iatMs: 1, warmMs: 1}\n',
      /"a" is there twice/,
    ],
    ['what is no YAML', 'functions: [\n', /line 2, column 1/],
    ['nothing', '', /line 1, column 1/],
  ])('%s is refused with its place', async (_what, text, message) => {
    const file = folder.write('bad.yaml', text);
    const refused = await refusal(() => readSpec(file));
    expect(refused).toContain(file);
    expect(refused).toMatch(message);
  });
});
