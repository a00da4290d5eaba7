import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runningPid } from '../../src/worker/daemon/pid-file.js';
import { WorkerProcesses } from './support/worker-process.js';

/** A worker in the background without a service manager: `worker --daemon` and `stop`. */

const POLL = { timeout: 50_000, interval: 50 };

describe('worker --daemon', () => {
  let workers: WorkerProcesses;

  beforeEach(() => {
    workers = new WorkerProcesses();
  });
  afterEach(async () => {
    await workers[Symbol.asyncDispose]();
  });

  const pidFile = (): string => workers.path('data/worker.pid');
  const daemon = (...args: string[]): ReturnType<WorkerProcesses['run']> => workers.run('worker', '--daemon', ...args);
  const alive = (pid: number): boolean => existsSync(`/proc/${pid}`);

  it('returns when the worker is ready, which outlives it and is ended by stop', async () => {
    const { code, stdout, stderr } = await daemon('--json');
    expect([code, stderr]).toEqual([0, '']);
    const { pid, name, socket } = JSON.parse(stdout) as { pid: number; name: string; socket: string };
    expect([name, socket]).toEqual([workers.name, workers.socket]);
    // At once: it has said that it is ready.
    expect((await workers.run('ping')).code).toBe(0);
    expect(readFileSync(pidFile(), 'utf8')).toBe(`${pid}\n`);
    // In a session of its own, without a terminal, and not below the shell that started it.
    const [, , group, session, tty] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    expect([Number(group), Number(session), Number(tty)]).toEqual([pid, pid, 0]);
    expect(readFileSync(workers.path('data/log/worker.log'), 'utf8')).toContain('the worker is running');
    const stopped = await workers.run('stop');
    expect([stopped.code, stopped.stdout]).toEqual([0, `process ${pid} has ended\n`]);
    expect([alive(pid), existsSync(pidFile()), existsSync(workers.socket)]).toEqual([false, false, false]);
    expect((await workers.run('stop')).code).toBe(3);
  });

  it('says why it cannot start, with the exit code of a start in the foreground, and leaves nothing', async () => {
    const busy = createServer();
    await new Promise<void>((resolve) => busy.listen(0, '127.0.0.1', resolve));
    const { port } = busy.address() as { port: number };
    const taken = await daemon('--http-port', `${port}`);
    busy.close();
    expect([taken.code, taken.stdout]).toEqual([8, '']);
    expect(taken.stderr).toContain('the port is already in use');
    expect([existsSync(pidFile()), existsSync(workers.socket)]).toEqual([false, false]);
  });

  it('tells mistakes in the configuration before there is a daemon', async () => {
    const file = workers.write('worker.yaml', 'htpp: {}\n');
    const { code, stderr } = await daemon('--config', file);
    expect([code, stderr]).toEqual([7, expect.stringContaining('htpp')]);
    expect(existsSync(workers.path('data'))).toBe(false);
    expect((await daemon('--log-file', '-')).code).toBe(2);
  });

  it('refuses a second one by the first one’s pid', async () => {
    const { pid } = JSON.parse((await daemon('--json')).stdout) as { pid: number };
    const second = await daemon();
    expect([second.code, second.stderr]).toEqual([8, expect.stringContaining(`as process ${pid} (${pidFile()})`)]);
    expect(readFileSync(pidFile(), 'utf8')).toBe(`${pid}\n`);
    expect((await workers.run('ping')).code).toBe(0);
  });

  it('takes over the pid file of one that died, whoever has its number now', async () => {
    mkdirSync(workers.path('data'));
    // A process that lives, and is no worker.
    writeFileSync(pidFile(), `${process.pid}\n`);
    expect(runningPid(pidFile())).toBeNull();
    const { pid } = JSON.parse((await daemon('--json')).stdout) as { pid: number };
    expect(runningPid(pidFile())).toBe(pid);
    process.kill(pid, 'SIGKILL');
    await expect.poll(() => runningPid(pidFile()), POLL).toBeNull();
    expect(readFileSync(pidFile(), 'utf8')).toBe(`${pid}\n`);
    expect((await daemon()).code).toBe(0);
  });

  it('never ends what has the number of a worker that died', async () => {
    mkdirSync(workers.path('data'));
    writeFileSync(pidFile(), `${process.pid}\n`);
    const { code, stderr } = await workers.run('stop');
    expect([code, stderr]).toEqual([3, expect.stringContaining('unavailable')]);
  });

  it('keeps what a process says beside its log', async () => {
    await daemon();
    const pid = runningPid(pidFile()) as number;
    process.kill(pid, 'SIGTERM');
    await expect.poll(() => alive(pid), POLL).toBe(false);
    expect(readFileSync(workers.path('data/log/worker.log.stderr'), 'utf8')).toContain('SIGTERM: finishing what runs');
  });

  it('reads its configuration again', async () => {
    const file = workers.write('worker.yaml', 'queue: { limit: 5 }\n');
    await daemon('--config', file);
    writeFileSync(file, 'queue: { limit: 6 }\n');
    const { stdout } = await workers.run('reload');
    expect(stdout).toBe('in force now: queue.limit\n');
  });
});

describe('stop', () => {
  it('finds a worker in the foreground by its socket', async () => {
    await using workers = new WorkerProcesses();
    const worker = await workers.start();
    expect((await workers.run('stop', '--json')).stdout).toBe(`{"stopped":${worker.pid}}\n`);
    expect(await worker.ended).toEqual({ code: 0, signal: null });
  });

  it('says when its time is over, and leaves the worker to finish', async () => {
    await using workers = new WorkerProcesses();
    const worker = await workers.start(['--pid-file', workers.path('run/pid')]);
    expect(readFileSync(workers.path('run/pid'), 'utf8')).toBe(`${worker.pid}\n`);
    workers.write('sleeper/main.py', 'import time\ndef main(args):\n    time.sleep(8)\n');
    expect((await workers.run('register', workers.path('sleeper'))).code).toBe(0);
    const running = workers.run('invoke', 'sleeper');
    const client = await workers.client();
    await expect.poll(async () => (await client.status()).cpu.used, POLL).toBe(1);
    client.close();
    const { code, stderr } = await workers.run('stop', '--timeout', '1');
    expect([code, stderr]).toEqual([6, expect.stringContaining('it goes on stopping')]);
    expect((await running).code).toBe(0);
    expect(await worker.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(workers.path('run/pid'))).toBe(false);
  });
});
