import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readBenchmark } from '../../src/traces/benchmark-timings.js';
import { Worker } from '../../src/worker/worker.js';
import { iluvatar } from '../cli/run.js';
import { TestFolder } from '../sim/support/files.js';
import { refused } from './support/refused.js';

/** `load benchmark` and `load scaling` as a user would type them, against a worker on the process backend. */

const folder = new TestFolder();
const hello = fileURLToPath(new URL('../../functions/hello', import.meta.url));
const dataDir = mkdtempSync(join(tmpdir(), 'iluvatar-load-more-'));
let worker: Worker;
let unix = '';
let http = '';

beforeAll(async () => {
  worker = await Worker.start({ name: `load-more-${process.pid}`, dataDir, http: { enabled: true, port: 0 } });
  unix = `unix:${worker.socketPath}`;
  http = worker.httpUrl ?? '';
});
afterAll(async () => {
  await worker?.stop();
  rmSync(dataDir, { recursive: true, force: true });
});

const json = (...path: string[]) => JSON.parse(readFileSync(join(...path), 'utf8'));
const csvRows = (...path: string[]): string[] =>
  readFileSync(join(...path), 'utf8')
    .trim()
    .split('\n')
    .slice(1);

describe('load benchmark', () => {
  it('measures, keeps rows, and writes what simulations and registrations take', async () => {
    folder.write('bad.py', 'def main(args):\n    raise ValueError("not today")\n');
    const file = folder.write(
      'functions.csv',
      `name,source,memory,args\nmy.hello.v1,${hello},64,name=Ada\nbad,bad.py,64,\nnowhere,nothing-here,64,\n`,
    );
    const out = folder.at('measured');
    const command = [
      'load',
      'benchmark',
      '--function-file',
      file,
      '--cold-iters',
      '2',
      '--warm-iters',
      '3',
      '-t',
      unix,
      '-o',
      out,
    ];
    const { code, stdout, stderr } = await iluvatar(command);
    expect(stdout).toMatch(/my\.hello\.v1\s+CPU\s+2\s.*6\s/);
    expect(stdout).toMatch(/bad\s+CPU\s+user_error\s+8\s+.*not today/);
    expect(stdout).toMatch(/nowhere\s+CPU\s+\w+\s+1\s+it cannot be registered/);
    expect(stderr).toContain(out);
    // Something failed: whoever measures in a script has to know.
    expect(code).toBe(1);
    const timings = join(out, 'worker_function_benchmarks.json');
    const cpu = readBenchmark(timings).get('my.hello.v1')?.cpu;
    expect([cpu?.coldRunUs.length, cpu?.warmRunUs.length, cpu?.warmTotalUs.length]).toEqual([2, 6, 6]);
    expect(csvRows(out, 'rows.csv').length).toBe(16);
    expect(csvRows(out, 'benchmark-output.csv').filter((line) => line.startsWith('true,my.hello.v1.CPU.')).length).toBe(
      8,
    );
    expect(json(out, 'benchmark-full.json').length).toBe(16);
    expect(json(out, 'experiment.json')).toMatchObject({ kind: 'benchmark', state: 'finished' });
    expect(json(out, 'summary.json')).toMatchObject({ invocations: 16, outcomes: { ok: 8, user_error: 8 } });

    const register = ['register', hello, '--socket', worker.socketPath, '--timings', `@${timings}`, '--json'];
    const registered = await iluvatar([...register, '--name', 'my.hello.v1']);
    expect(registered.code).toBe(0);
    expect(JSON.parse(registered.stdout).characteristics.devices[0].warmMs).toBeGreaterThan(0);
    const unknown = await iluvatar([...register, '--name', 'other']);
    expect([unknown.code, unknown.stderr]).toEqual([
      2,
      expect.stringMatching(/was not measured; there are: my\.hello\.v1, bad, nowhere/),
    ]);
  });

  it.each([
    [
      'a function that is not there',
      ['--functions', 'nobody'],
      7,
      /no function nobody that can run as it is; there are: .*hello/,
    ],
    ['no cold iteration', ['--cold-iters', '0'], 2, /--cold-iters must be at least 1/],
    ['a file and names', ['--function-file', 'x.csv', '--functions', 'hello'], 2, /--function-file says all/],
    ['a target that does not answer', ['--functions', 'hello', '--target', 'unix:/nowhere/socket'], 3, /nowhere/],
  ])('refuses %s', async (_what, options, expected, text) => {
    const out = folder.at('refused');
    const { code, message } = await refused(['load', 'benchmark', ...options, '-o', out]);
    expect(code).toBe(expected);
    expect(message).toMatch(text);
    expect(existsSync(out)).toBe(false);
  });
});

describe('load scaling', () => {
  it('drives one target after the other through all steps, each in a folder of its own', async () => {
    const out = folder.at('steps');
    const options = [
      '--clients',
      '1,2',
      '--duration',
      '100ms',
      '--memory',
      '64m',
      '-o',
      out,
      '--original-output',
      '--json',
    ];
    const { code, stdout, stderr } = await iluvatar(['load', 'scaling', hello, '-t', `${unix},${http}`, ...options]);
    expect([code, stderr]).toEqual([0, '']);
    const targets = JSON.parse(stdout) as {
      target: string;
      steps: { clients: number; invocations: number; throughput: number; registrationUs: number[] }[];
    }[];
    expect(targets.map(({ target }) => target)).toEqual([unix, http]);
    for (const { target, steps } of targets) {
      const kept = join(out, target.replace(/[^A-Za-z0-9.]+/g, '-'));
      expect(steps.map(({ clients, registrationUs }) => [clients, registrationUs.length])).toEqual([
        [1, 1],
        [2, 2],
      ]);
      expect(json(kept, 'experiment.json')).toMatchObject({ kind: 'scaling', state: 'finished', targets: [target] });
      const total = steps.reduce((sum, { invocations }) => sum + invocations, 0);
      expect(csvRows(kept, 'rows.csv').length).toBe(total);
      expect(json(kept, 'summary.json').steps.map(({ clients }: { clients: number }) => clients)).toEqual([1, 2]);
      const original = json(kept, '2.json') as { data: unknown[]; errors: string[] }[];
      expect(original.map(({ errors }) => errors)).toEqual([[], []]);
      expect(original.reduce((sum, { data }) => sum + data.length, 0)).toBe(steps[1]?.invocations);
    }
  });

  it('sends the source to a worker that cannot see it', async () => {
    const options = ['--clients', '1', '--duration', '50ms', '-m', '64m', '--upload', '--json'];
    const { code, stdout } = await iluvatar(['load', 'scaling', hello, '-t', unix, ...options]);
    expect([code, JSON.parse(stdout)[0].steps[0].failed]).toEqual([0, 0]);
    const [fn] = (await worker.list()).filter(({ name }) => name === 'scaling-1');
    expect(fn?.runtime).toBe('python3');
  });

  it('has failed invocations as records and errors, and fails', async () => {
    const out = folder.at('failing');
    const source = folder.write('failing.py', 'def main(args):\n    raise ValueError("not today")\n');
    const options = ['--clients', '1', '--duration', '50ms', '-m', '64m', '-o', out, '--original-output'];
    const { code, stdout } = await iluvatar(['load', 'scaling', source, '-t', unix, ...options]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/CLIENTS.*FAILED/);
    const [client] = json(out, '1.json');
    expect(client.data.length).toBeGreaterThan(0);
    expect(client.data[0].worker_response.success).toBe(false);
    expect(client.errors[0]).toMatch(/user_error: .*not today/);
  });

  it('keeps what there is when it is interrupted', async () => {
    const out = folder.at('interrupted');
    const options = ['--clients', '1,2', '--duration', '10m', '-m', '64m', '-o', out];
    const rows = join(out, 'rows.csv');
    const ran = await iluvatar(['load', 'scaling', hello, '-t', unix, ...options], {
      started: (child) => {
        // Rows are written by and by: once there are some, there is something to keep.
        const watch = setInterval(() => {
          if (!existsSync(rows) || readFileSync(rows).length < 10_000) return;
          clearInterval(watch);
          child.kill('SIGINT');
        }, 20);
        child.on('exit', () => clearInterval(watch));
      },
    });
    expect(ran.code).toBe(130);
    expect(json(out, 'experiment.json')).toMatchObject({ state: 'interrupted' });
    expect(csvRows(out, 'rows.csv').length).toBe(json(out, 'summary.json').invocations);
    expect(ran.stdout).toMatch(/ended early: it was interrupted/);
  });

  it.each([
    ['what are no numbers', ['--clients', '4,x'], 2, /"4,x" are no numbers of clients/],
    ['two ways to say them', ['--clients', '4', '--end', '8'], 2, /--clients or --start and --end/],
    ['the files of the original without a folder', ['--original-output'], 2, /needs --out/],
    ['a source that is not there', ['/nowhere/function'], 2, /\/nowhere\/function is not there/],
    ['a target that is none', ['-t', 'ftp://x'], 7, /"ftp:\/\/x" is not a target/],
    ['a target that does not answer', ['-t', 'unix:/nowhere/socket'], 3, /nowhere/],
  ])('refuses %s', async (_what, options, expected, text) => {
    const { code, message } = await refused(['load', 'scaling', ...options]);
    expect(code).toBe(expected);
    expect(message).toMatch(text);
  });
});
