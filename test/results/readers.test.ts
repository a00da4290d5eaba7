import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { analyse } from '../../src/results/analysis.js';
import { Experiment } from '../../src/results/experiment.js';
import type { ExperimentFacts } from '../../src/results/experiment-facts.js';
import { type LoadRow, loadTable } from '../../src/results/load-row.js';
import { readResults, streamResults } from '../../src/results/readers/data-frame.js';
import { actualState, openExperiment } from '../../src/results/readers/open-experiment.js';
import { openResults } from '../../src/results/readers/open-results.js';
import { LOAD_COLUMNS } from '../../src/results/readers/own-table.js';
import { SummaryBuilder } from '../../src/results/summary.js';
import { madeRows, makeExperiment } from './support/experiments.js';
import { writeOriginal } from './support/original.js';
import { loadRow } from './support/rows.js';

let folder: string;
const ROWS = 2000;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'iluvatar-results-'));
  await makeExperiment(join(folder, 'run'), { rows: ROWS, metrics: true });
  writeOriginal(join(folder, 'original'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function rowsOf(path: string): Promise<LoadRow[]> {
  const rows: LoadRow[] = [];
  for await (const row of streamResults(path)) rows.push(row);
  return rows;
}

describe('an experiment', () => {
  it('is read back as it was written, from Parquet and from CSV', async () => {
    const written = [...madeRows({ rows: ROWS })];
    // What no table has is a container of 0 that stands for none: it comes back as that.
    expect(await rowsOf(join(folder, 'run'))).toEqual(written);
    expect(await rowsOf(join(folder, 'run', 'rows.csv'))).toEqual(written);
  });

  it('says what ran, and where and when', async () => {
    const { experiment, summary, rows } = await openExperiment(join(folder, 'run'));
    expect(experiment).toMatchObject({ kind: 'trace', state: 'finished', seed: 1, targets: ['unix:/run/worker.sock'] });
    expect(experiment.versions.node).toBe(process.versions.node);
    expect(experiment.machine).toMatchObject({ hostname: hostname() });
    expect(experiment.machine.cores).toBeGreaterThan(0);
    expect((experiment.end?.monotonicUs ?? 0) >= experiment.begin.monotonicUs).toBe(true);
    expect(experiment.files).toEqual(['metrics/recorder.parquet', 'rows.csv', 'rows.parquet', 'summary.json']);
    expect(rows.kind).toBe('load');
    expect((await analyse({ ...(await openResults(join(folder, 'run'))), summary: null })).summary).toMatchObject({
      invocations: summary?.invocations,
      us: summary?.us,
    });
  });

  it('is not written over another', () => {
    expect(() => Experiment.create(join(folder, 'run'), { kind: 'run', seed: 0, targets: [], run: {} })).toThrow(
      expect.objectContaining({ errorClass: 'conflict' }),
    );
  });

  it('does not write outside of its folder', () => {
    const experiment = Experiment.create(join(folder, 'inside'), { kind: 'run', seed: 0, targets: [], run: {} });
    expect(() => experiment.path('../elsewhere')).toThrow(/not inside/);
    experiment.log('run', 'begun');
    experiment.note('offsetUs', 12);
    const { notes } = JSON.parse(readFileSync(join(folder, 'inside', 'experiment.json'), 'utf8')) as ExperimentFacts;
    expect(notes).toEqual({ offsetUs: 12 });
    expect(readFileSync(experiment.path('logs/run.log'), 'utf8')).toMatch(/Z begun\n$/);
  });

  it('of a run that died is readable, without its torn last line, and known to be half', async () => {
    const script = join(folder, 'dies.mts');
    const from = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const died = join(folder, 'died');
    writeFileSync(
      script,
      `import { Experiment } from ${from('../../src/results/experiment.ts')};
import { madeRows } from ${from('./support/experiments.ts')};
const experiment = Experiment.create(${JSON.stringify(died)}, { kind: 'run', seed: 0, targets: [], run: {} });
const sink = await experiment.openRows();
for (const row of madeRows({ rows: 20_000 })) sink.row(row);
process.kill(process.pid, 'SIGKILL');
`,
    );
    const tsx = new URL('../../node_modules/.bin/tsx', import.meta.url).pathname;
    expect(() => execFileSync(tsx, [script], { stdio: 'ignore' })).toThrow();
    const { experiment, summary, rows } = await openExperiment(died);
    expect([experiment.state, experiment.end, summary]).toEqual(['running', null, null]);
    expect(actualState(experiment, hostname())).toBe('died');
    expect(actualState({ ...experiment, pid: process.pid }, hostname())).toBe('running');
    expect(rows.file).toMatch(/rows\.csv$/);
    const read = await rowsOf(died);
    expect(read.length).toBeGreaterThan(1000);
    expect(read).toEqual([...madeRows({ rows: 20_000 })].slice(0, read.length));
  });

  it('that is damaged is refused with a reason', async () => {
    const damaged = join(folder, 'damaged');
    cpSync(join(folder, 'run'), damaged, { recursive: true });
    truncateSync(join(damaged, 'rows.parquet'), 3000);
    await expect(openResults(damaged)).rejects.toThrow(/rows\.parquet cannot be read as Parquet/);
    writeFileSync(join(damaged, 'experiment.json'), '{"format":"iluvatar.experiment","version":2}');
    await expect(openResults(damaged)).rejects.toThrow(/has version 2, and this program knows 1/);
    writeFileSync(join(damaged, 'experiment.json'), '{');
    await expect(openResults(damaged)).rejects.toThrow(/experiment\.json cannot be read as JSON/);
  });
});

describe('a table', () => {
  it('has a field of a row for each of its columns', () => {
    expect(Object.values(LOAD_COLUMNS)).toEqual(loadTable.columns.map(({ name }) => name));
  });

  it('keeps text that looks like a number', async () => {
    const file = join(folder, 'odd.csv');
    const { CsvSink } = await import('../../src/tables/csv-sink.js');
    const sink = new CsvSink(file, loadTable);
    const odd = loadRow({ tid: '1e5', fn: '007@1', error: 'a "b", c\nd', worker: '', state: '' });
    sink.row(odd);
    await sink.end();
    expect(await rowsOf(file)).toEqual([odd]);
  });

  it('of something else is refused', async () => {
    const other = join(folder, 'other.csv');
    writeFileSync(other, 'a,b\n1,2\n');
    await expect(openResults(other)).rejects.toThrow(/is no table of invocations: it has no column function/);
    writeFileSync(other, 'function,arrival_us,end_us,outcome\nf,1\nf,1,2,ok\n');
    await expect(rowsOf(other)).rejects.toThrow(/other\.csv, line 2, column 2: 2 cells where the head has 4/);
    await expect(openResults(join(folder, 'nothing'))).rejects.toMatchObject({ errorClass: 'not_found' });
    await expect(openResults(folder)).rejects.toThrow(/holds no results/);
  });
});

describe("the original's", () => {
  const at = (name: string): string => join(folder, 'original', name);

  it('CSV has lengths of time, and says that it has no more', async () => {
    expect((await openResults(at('output-trace.csv'))).rows).toMatchObject({ kind: 'original-csv', timed: false });
    expect(await rowsOf(at('output-trace.csv'))).toMatchObject([
      { tid: '1e5', fn: 'hello', outcome: 'ok', state: 'cold', runUs: 120_000, codeUs: 50_000, endUs: 121_000 },
      { tid: '007', state: 'warm', codeUs: 1000, codeCold: 0 },
      { fn: 'odd,name', outcome: 'user_error', state: '', codeUs: -1 },
    ]);
    const { summary, timeline } = await analyse(await openResults(at('output-trace.csv')));
    expect([summary.rates, summary.window, timeline]).toEqual([null, null, null]);
    expect(summary.us.latency.max).toBe(121_000);
  });

  it('JSON has times, from the first invocation', async () => {
    const rows = await rowsOf(at('output-full-trace.json'));
    expect(rows.map(({ arrivalUs, endUs }) => [arrivalUs, endUs - arrivalUs])).toEqual([
      [0, 121_000],
      [1_250_000, 2500],
      [1_500_000, 4000],
    ]);
    expect(rows[0]).toMatchObject({ fn: 'hello@0.0.1', state: 'cold', device: 'cpu', codeUs: 119_000, codeCold: 1 });
    expect(rows[2]).toMatchObject({ outcome: 'user_error', error: 'Traceback: no such colour', codeCold: -1 });
  });

  it('benchmark has a row for each duration', async () => {
    const rows = await rowsOf(at('worker_function_benchmarks.json'));
    expect(
      rows.map(({ fn, device, state, codeUs, runUs, endUs }) => [fn, device, state, codeUs, runUs, endUs]),
    ).toEqual([
      ['a.b', 'cpu', 'cold', 50_000, 130_000, 140_000],
      ['a.b', 'cpu', 'warm', 10_000, 10_500, 11_000],
      ['a.b', 'cpu', 'warm', 20_000, 20_500, 21_000],
      ['a.b', 'gpu0', 'cold', 100_000, 260_000, 280_000],
      ['a.b', 'gpu0', 'warm', 20_000, 21_000, 22_000],
      ['a.b', 'gpu0', 'warm', 40_000, 41_000, 42_000],
    ]);
  });

  it('scaling run is all of its steps', async () => {
    const { summary } = await analyse(await openResults(at('scaling')));
    expect(summary.steps.map(({ clients, invocations }) => [clients, invocations])).toEqual([
      [1, 3],
      [2, 6],
    ]);
    expect(await rowsOf(at('scaling/2.json'))).toHaveLength(6);
  });

  it('folder with several results asks for one of them', async () => {
    writeFileSync(at('output-other.csv'), '');
    rmSync(at('output-full-trace.json'));
    await expect(openResults(at(''))).rejects.toThrow(
      /several results: name one of output-other\.csv, output-trace\.csv/,
    );
  });

  it('that is neither is refused', async () => {
    writeFileSync(at('else.json'), '{"a":1}');
    await expect(openResults(at('else.json'))).rejects.toThrow(/neither a list of invocations nor a benchmark/);
  });
});

describe('a data frame', () => {
  it('has the columns of the table, and nothing where there is nothing', async () => {
    const frame = await readResults(join(folder, 'run'));
    const rows = [...madeRows({ rows: ROWS })];
    expect(frame.columns).toEqual(loadTable.columns.map(({ name }) => name));
    expect(frame.height).toBe(ROWS);
    expect(frame.getColumn('end_us').sum()).toBe(rows.reduce((sum, { endUs }) => sum + endUs, 0));
    expect(frame.getColumn('create_us').nullCount()).toBe(rows.filter(({ createUs }) => createUs < 0).length);
    expect(frame.getColumn('clients').nullCount()).toBe(ROWS);
  });
});

describe('a summary', () => {
  it('of a run read back is that of the run', async () => {
    const builder = new SummaryBuilder();
    for (const row of madeRows({ rows: ROWS })) builder.add(row);
    const { summary } = await analyse({ ...(await openResults(join(folder, 'run', 'rows.csv'))) });
    expect(summary).toEqual(builder.summary());
  });
});
