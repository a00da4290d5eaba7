import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { ReloadReport } from '../../src/config/api.js';
import { configFields } from '../../src/config/fields.js';
import { LIVE_OPTIONS } from '../../src/config/live-options.js';
import { WorkerProcesses } from './support/worker-process.js';

/** A configuration that is read again, by SIGHUP and by `iluvatar reload`, in real processes. */

const POLL = { timeout: 50_000, interval: 50 };

/** Another value than the default, for every live option. */
const CHANGED = {
  cpu: { bypassMs: 5 },
  memory: {
    budgetMb: 700,
    bufferMb: 10,
    sampleMs: 50,
    pressure: { watch: 'never', checkMs: 500, stallHigh: 50, stallLow: 2, availableLow: 1, availableHigh: 2 },
  },
  queue: { limit: 77, dropAbandoned: false },
  limits: { memoryMinMb: 16, memoryMaxMb: 600, cpusMax: 1 },
  log: { level: 'debug', modules: { http: 'error' }, invocations: true },
  profiling: { enabled: true },
  energy: { source: 'rapl', cap: { watts: 500 } },
  drainMs: 1234,
};

describe('live options', () => {
  it('are options of the schema', () => {
    const known = new Set(configFields().map(({ key }) => key));
    expect([...LIVE_OPTIONS].filter((key) => !known.has(key))).toEqual([]);
  });
});

describe.each([true, false])('a worker whose configuration is read again (threads: %s)', (threads) => {
  let workers: WorkerProcesses;
  let config: string;

  beforeEach(() => {
    workers = new WorkerProcesses();
    config = workers.write('worker.yaml', '');
  });
  afterEach(async () => {
    await workers[Symbol.asyncDispose]();
  });

  const start = (): ReturnType<WorkerProcesses['start']> =>
    // A cap can only be set where energy is read from somewhere.
    workers.start(['--config', config, '--set', `threads=${threads}`, '--set', 'energy.source=rapl']);
  const log = (): string => readFileSync(workers.path('data/log/worker.log'), 'utf8');

  async function reload(values: unknown): Promise<ReloadReport> {
    writeFileSync(config, stringify(values));
    const { code, stdout, stderr } = await workers.run('reload', '--json');
    expect([code, stderr]).toEqual([0, '']);
    return JSON.parse(stdout) as ReloadReport;
  }

  it('takes on every live option, and they count', async () => {
    await start();
    expect(await reload(CHANGED)).toEqual({ changed: expect.any(Array), restart: [] });
    const status = JSON.parse((await workers.run('status', '--json')).stdout);
    expect(status).toMatchObject({ memory: { budgetMb: 700 }, queue: { limit: 77 } });
    workers.write('echo/main.py', 'def main(args):\n    return args\n');
    const register = (...args: string[]): Promise<{ code: number | null; stderr: string }> =>
      workers.run('register', workers.path('echo'), ...args);
    expect((await register('--memory', '601')).stderr).toContain('limits.memoryMaxMb');
    expect((await register('--cpus', '2')).stderr).toContain('limits.cpusMax');
    expect((await register('--memory', '64')).code).toBe(0);
    expect((await workers.run('invoke', 'echo')).code).toBe(0);
    await expect.poll(log, POLL).toContain('"msg":"invocation"');
    expect(log()).toContain('container is created');
  });

  it('names each of them in its answer', async () => {
    await start();
    const { changed } = await reload(CHANGED);
    expect(changed.toSorted()).toEqual([...LIVE_OPTIONS].toSorted());
    expect(await reload(CHANGED)).toEqual({ changed: [], restart: [] });
    const text = await workers.run('reload');
    expect(text.stdout).toBe('nothing has changed at once\n');
  });

  it('names what needs a restart, in its answer and in the log, and leaves it', async () => {
    const worker = await start();
    const report = await reload({ keepAlive: { policy: 'ttl' }, queue: { limit: 5 }, http: { maxBodyBytes: 2048 } });
    expect(report).toEqual({ changed: ['queue.limit'], restart: ['http.maxBodyBytes', 'keepAlive.policy'] });
    expect(log()).toContain('"options":["http.maxBodyBytes","keepAlive.policy"]');
    // The same again by signal; what is not in force is named each time.
    writeFileSync(config, stringify({ keepAlive: { policy: 'ttl' }, queue: { limit: 6 } }));
    worker.child.kill('SIGHUP');
    await expect.poll(log, POLL).toContain('"options":["keepAlive.policy"]');
    expect(JSON.parse((await workers.run('status', '--json')).stdout)).toMatchObject({ queue: { limit: 6 } });
  });

  it('goes on with what it has when the file is broken, and says why', async () => {
    const worker = await start();
    await reload({ queue: { limit: 5 } });
    writeFileSync(config, 'queue: { limti: 6 }\nlog: { level: loud }\n');
    const { code, stderr } = await workers.run('reload');
    expect(code).toBe(7);
    expect(stderr).toContain('limti');
    expect(stderr).toContain('loud');
    writeFileSync(config, 'queue: [');
    const before = log().length;
    worker.child.kill('SIGHUP');
    await expect.poll(() => log().slice(before), POLL).toContain('malformed');
    expect(JSON.parse((await workers.run('status', '--json')).stdout)).toMatchObject({ queue: { limit: 5 } });
  });

  it('refuses as a whole what a registered function could not live with', async () => {
    await start();
    workers.write('big/main.py', 'def main(args):\n    return args\n');
    expect((await workers.run('register', workers.path('big'), '--memory', '512')).code).toBe(0);
    writeFileSync(config, stringify({ memory: { budgetMb: 256 }, queue: { limit: 5 }, log: { level: 'error' } }));
    const { code, stderr } = await workers.run('reload');
    expect([code, stderr]).toEqual([7, expect.stringContaining('big@1 needs 512 MiB')]);
    const { queue, memory } = JSON.parse((await workers.run('status', '--json')).stdout);
    expect([queue.limit, memory.budgetMb > 512]).toEqual([10_000, true]);
  });

  it('opens its log again, also with a broken file', async () => {
    const worker = await start();
    const file = workers.path('data/log/worker.log');
    writeFileSync(config, 'queue: [');
    renameSync(file, `${file}.1`);
    worker.child.kill('SIGHUP');
    await expect.poll(() => existsSync(file) && log(), POLL).toContain('could not be read again');
  });
});
