import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { afterAll, describe, expect, it } from 'vitest';
import type { ExperimentFacts } from '../../src/results/experiment-facts.js';
import type { RunSummary } from '../../src/results/summary.js';
import { iluvatar } from '../cli/run.js';
import { TestFolder } from '../sim/support/files.js';
import { describeWith } from '../support/requirement.js';

/** The command line, against workers whose containers exist in time only: what is written, what is said, and what is kept when something goes wrong. */

const folder = new TestFolder();
const functions = folder.write(
  'functions.csv',
  'func_name,cold_dur_ms,warm_dur_ms,mem_mb,mean_iat,prewarms\na,20,2,100,20,1\nb,30,4,200,20,\nnever,500,5,50,,\n',
);
const trace = folder.write(
  'trace.csv',
  `func_name,invoke_time_ms\n${Array.from({ length: 100 }, (_, i) => `${'ab'[i % 2]},${i * 5}\n`).join('')}`,
);
const LIVE = ['load', 'trace', '-i', trace, '-m', functions, '-t', 'simulated', '--json'];
const CSV_HEAD = 'tid,function,arrival_us';

function experiment(name: string): { facts: ExperimentFacts; summary: RunSummary; csv: string[] } {
  const read = (file: string): string => readFileSync(join(folder.at(name), file), 'utf8');
  return {
    facts: JSON.parse(read('experiment.json')),
    summary: JSON.parse(read('summary.json')),
    csv: read('rows.csv').trimEnd().split('\n'),
  };
}

async function parquetRows(name: string): Promise<Record<string, unknown>[]> {
  return await parquetReadObjects({ file: await asyncBufferFromFile(join(folder.at(name), 'rows.parquet')) });
}

describe('load trace', () => {
  it('replays a trace in real time and keeps rows, summary and circumstances', async () => {
    const { code, stdout } = await iluvatar([...LIVE, '-o', folder.at('live'), '--seed', '7']);
    expect(code).toBe(0);
    const printed = JSON.parse(stdout) as RunSummary;
    expect(printed).toMatchObject({ invocations: 100, outcomes: { ok: 100 } });
    const { facts, summary, csv } = experiment('live');
    expect(summary).toEqual(printed);
    expect(facts).toMatchObject({ state: 'finished', kind: 'trace', seed: 7, targets: ['simulated'] });
    expect([csv.length, csv[0]?.startsWith(CSV_HEAD)]).toEqual([101, true]);
    const rows = await parquetRows('live');
    expect(rows.map((row) => Number(row['arrival_us'])).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i * 5000),
    );
    // Prewarmed as its table says; the other is not.
    expect(rows.filter((row) => row['function'] === 'a@1' && row['state'] === 'cold').length).toBeLessThan(
      rows.filter((row) => row['state'] !== null).length,
    );
    expect(summary.functions.map(({ fn, warm }) => [fn, warm?.us])).toEqual([
      ['a@1', 2000],
      ['b@1', 4000],
    ]);
  });

  it('gives a simulation the same table, and skips its time', async () => {
    const simulated = ['--setup', 'simulation', '-o', folder.at('simulated')];
    const { code, stdout } = await iluvatar([...LIVE, ...simulated]);
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { invocations: 100, outcomes: { ok: 100 } }]);
    const rows = await parquetRows('simulated');
    expect(rows[0]).toMatchObject({ worker: 'simulation', outcome: 'ok' });
    expect(rows.every((row) => row['sent_us'] === row['arrival_us'])).toBe(true);
    expect(experiment('simulated').facts).toMatchObject({ state: 'finished', kind: 'simulation' });
  });

  it('leaves its warm-up out, and ends after its time', async () => {
    const { stdout, code } = await iluvatar([...LIVE, '--warm-up', '100ms', '--duration', '250ms']);
    expect([code, (JSON.parse(stdout) as RunSummary).invocations]).toEqual([0, 30]);
  });

  it.each([
    ['a time that is none', 'func_name,invoke_time_ms\na,1\na,soon\n', 'line 3, column 2'],
    ['a time before the one before', 'func_name,invoke_time_ms\na,5\na,4\n', 'line 3, column 2'],
    ['a function that is not described', 'func_name,invoke_time_ms\nc,1\n', 'line 2, column 1'],
    ['a column that is missing', 'func_name,when\na,1\n', 'invoke_time_ms'],
  ])('refuses arrivals with %s before anything is sent', async (what, content, where) => {
    const bad = folder.write(`${what}.csv`, content);
    const out = folder.at(`refused ${what}`);
    const { code, stderr } = await iluvatar([
      'load',
      'trace',
      '-i',
      bad,
      '-m',
      functions,
      '-t',
      'simulated',
      '-o',
      out,
    ]);
    expect([code, existsSync(out)]).toEqual([7, false]);
    expect(stderr).toContain(bad);
    expect(stderr).toContain(where);
  });

  it.each([
    ['func_name', ',1,1,1,1,1,,,,,,'],
    ['mem_mb', 'a,1,1,much,1,1,,,,,,'],
    ['cold_dur_ms', 'a,x,1,1,1,1,,,,,,'],
    ['warm_dur_ms', 'a,1,x,1,1,1,,,,,,'],
    ['mean_iat', 'a,1,1,1,x,1,,,,,,'],
    ['prewarms', 'a,1,1,1,1,x,,,,,,'],
    ['compute', 'a,1,1,1,1,1,TPU,,,,,'],
    ['version', 'a,1,1,1,1,1,,/,,,,'],
    ['args', 'a,1,1,1,1,1,,,nothing,,,'],
    ['use_lookbusy', 'a,1,1,1,1,1,,,,maybe,,'],
  ])('names file, line and column of a function whose %s is malformed', async (column, row) => {
    const head = 'func_name,cold_dur_ms,warm_dur_ms,mem_mb,mean_iat,prewarms,compute,version,args,use_lookbusy,x,y';
    const bad = folder.write(`bad-${column}.csv`, `${head}\n${row}\n`);
    const place = head.split(',').indexOf(column) + 1;
    const { openLoadTrace } = await import('../../src/load/load-trace.js');
    await expect(openLoadTrace({ trace, functions: bad })).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringContaining(`${bad}, line 2, column ${place}:`),
    });
  });
});

describe('load run', () => {
  const RUN = ['load', 'run', '--lookbusy', '1ms', '-t', 'simulated', '--json'];

  it('drives one function in bursts and in a closed loop, from several processes', async () => {
    const open = ['--rate', '200', '--on', '100ms', '--off', '100ms', '--duration', '400ms', '--arrivals', 'constant'];
    const [bursts, closed] = await Promise.all([
      iluvatar([...RUN, ...open]),
      iluvatar([...RUN, '--clients', '3', '--count', '90', '--processes', '2']),
    ]);
    expect((JSON.parse(bursts.stdout) as RunSummary).outcomes).toEqual({ ok: 40 });
    expect((JSON.parse(closed.stdout) as RunSummary).outcomes).toEqual({ ok: 90 });
  });

  it.each([
    ['neither rate nor clients', [], /--rate .* or --clients/],
    ['both', ['--rate', '1', '--clients', '1'], /--rate .* or --clients/],
    ['a burst without a pause', ['--rate', '1', '--on', '1s'], /belong together/],
    ['a rate of 0', ['--rate', '0'], /above 0/],
    ['no processes', ['--rate', '1', '--processes', '0'], /at least 1/],
    ['a warm-up longer than the run', ['--rate', '1', '--duration', '1s', '--warm-up', '2s'], /shorter/],
  ])('refuses %s', async (_what, options, message) => {
    const { code, stderr } = await iluvatar([...RUN, ...options]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('says that nobody answers there, and leaves no folder', async () => {
    const out = folder.at('unreachable');
    const { code, stderr } = await iluvatar(['load', 'run', 'f', '--rate', '1', '-t', 'unix:/nowhere', '-o', out]);
    expect([code, existsSync(out)]).toEqual([3, false]);
    expect(stderr).toContain('no worker listens at /nowhere');
  });

  it('writes what there is when it is interrupted, and says so', async () => {
    const out = folder.at('interrupted');
    const { code, stdout } = await iluvatar([...RUN, '--rate', '200', '--duration', '1h', '-o', out], {
      started: (child) => whenBegun(out, () => child.kill('SIGINT')),
    });
    expect(code).toBe(130);
    const { facts, summary, csv } = experiment('interrupted');
    expect(facts).toMatchObject({ state: 'interrupted', error: 'it was interrupted' });
    expect(JSON.parse(stdout)).toEqual(summary);
    expect([csv.length - 1, (await parquetRows('interrupted')).length]).toEqual([
      summary.invocations,
      summary.invocations,
    ]);
  });

  it('keeps what it has when its target dies half-way', async () => {
    const data = folder.at('data');
    const socket = join(data, 'socket');
    mkdirSync(data);
    const settings = [`dataDir=${data}`, `socket=${socket}`, 'http.enabled=false', 'backends.simulated.enabled=true'];
    const set = [...settings, 'defaultBackends=["simulated"]', 'name=load-dies'].flatMap((option) => ['--set', option]);
    const bin = fileURLToPath(new URL('../../bin/iluvatar.js', import.meta.url));
    const worker: ChildProcess = spawn(process.execPath, [bin, 'worker', ...set], { stdio: 'ignore' });
    try {
      await expect.poll(() => existsSync(socket)).toBe(true);
      const source = folder.at('simulated-function');
      mkdirSync(source);
      folder.write('simulated-function/simulated.json', '{"run": 500}');
      const options = ['--source', source, '--rate', '100', '--duration', '1h', '--lost-after', '300ms'];
      const out = folder.at('dies');
      const { code, stderr } = await iluvatar(['load', 'run', 'f', ...options, '-t', `unix:${socket}`, '-o', out], {
        started: () => whenBegun(out, () => worker.kill('SIGKILL')),
      });
      expect(code).toBe(3);
      expect(stderr).toContain('the target was unavailable for');
      const { facts, summary } = experiment('dies');
      expect(facts.state).toBe('interrupted');
      expect(summary.outcomes['ok']).toBeGreaterThan(0);
      expect(summary.outcomes['unavailable']).toBeGreaterThan(0);
      expect((await parquetRows('dies')).length).toBe(summary.invocations);
    } finally {
      const gone = new Promise((resolve) => worker.once('exit', resolve));
      if (worker.exitCode === null && worker.signalCode === null) {
        worker.kill('SIGKILL');
        await gone;
      }
      await iluvatar(['clean', ...set]);
    }
  });

  describeWith({ root: true, command: ['mount', 'umount'] }, 'on a disk that is full', () => {
    const mount = folder.at('small');
    afterAll(() => {
      spawnSync('umount', [mount]);
      rmSync(mount, { recursive: true, force: true });
    });

    it('keeps whole files of what it could write, and says what is missing', async () => {
      mkdirSync(mount);
      expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=12m', 'tmpfs', mount]).status).toBe(0);
      const out = ['-o', join(mount, 'out'), '--setup', 'simulation'];
      const long = folder.write(
        'long.csv',
        `func_name,invoke_time_ms\n${Array.from({ length: 120_000 }, (_, i) => `a,${i}\n`).join('')}`,
      );
      const { code, stderr } = await iluvatar(['load', 'trace', '-i', long, '-m', functions, ...out]);
      expect(code).toBe(3);
      expect(stderr).toContain('ENOSPC');
      const csv = readFileSync(join(mount, 'out', 'rows.csv'), 'utf8');
      expect([csv.endsWith('\n'), csv.startsWith(CSV_HEAD)]).toEqual([true, true]);
      const cells = csv.split('\n')[0]?.split(',').length;
      expect(
        csv
          .trimEnd()
          .split('\n')
          .every((line) => line.split(',').length === cells),
      ).toBe(true);
      const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(mount, 'out', 'rows.parquet')) });
      expect(rows.length).toBeGreaterThan(50_000);
      expect(rows.every((row) => row['outcome'] === 'ok')).toBe(true);
      const facts = JSON.parse(readFileSync(join(mount, 'out', 'experiment.json'), 'utf8')) as ExperimentFacts;
      expect([facts.state, facts.error?.includes('ENOSPC')]).toEqual(['failed', true]);
      expect([...facts.files].sort()).toEqual(['rows.csv', 'rows.parquet', 'summary.json']);
    });
  });
});

/** Acts a second after the rows of a load were opened, which is the last thing before it begins. */
function whenBegun(out: string, act: () => void): void {
  const timer = setInterval(() => {
    if (!existsSync(join(out, 'rows.csv'))) return;
    clearInterval(timer);
    setTimeout(act, 1000);
  }, 50);
}
