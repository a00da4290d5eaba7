import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { analyzeTrace, writeTrace } from '../../src/load/generate/generate.js';
import { planTrace } from '../../src/load/generate/plan.js';
import { planSpec, readSpec } from '../../src/load/generate/spec.js';
import { TraceAnalysis } from '../../src/load/generate/trace-analysis.js';
import { openTrace } from '../../src/traces/open-trace.js';
import { arrivalsOf, refusal, TestFolder } from '../sim/support/files.js';
import { countsOf, PLAN, S, source } from './support/planned.js';

const folder = new TestFolder();

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
