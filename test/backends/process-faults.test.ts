import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, expect, it } from 'vitest';
import type { Networks } from '../../src/backends/networks.js';
import { native } from '../../src/native.js';
import { describeWith, missingOf } from '../support/requirement.js';
import {
  cgroupsOf,
  type Harness,
  prepare,
  processesWith,
  startProcessBackend,
  TestContainer,
  until,
} from './support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from './support/temporary.js';
import { makeWheel } from './support/wheel.js';

const WORKER = fileURLToPath(new URL('fixtures/worker-process.ts', import.meta.url));
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCE = { 'main.py': 'import os\ndef main(args):\n  return {"uid": os.getuid(), "pid": os.getpid()}\n' };

describeWith({ root: true, cgroups: true, command: 'python3' }, 'faults around the process backend', () => {
  let harness: Harness | null = null;
  const children: ChildProcess[] = [];

  afterEach(async () => {
    await harness?.close();
    if (harness !== null) expect(cgroupsOf(harness.config.name)).toEqual([]);
    harness = null;
    for (const child of children.splice(0))
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
  });
  afterAll(removeTemporaryFolders);

  const counters = (): Readonly<Record<string, number>> => (harness as Harness).backend.health().counters;

  async function started(input: Parameters<typeof startProcessBackend>[0] = {}): Promise<TestContainer> {
    harness = await startProcessBackend(input);
    return another();
  }
  async function another(): Promise<TestContainer> {
    const { backend, transport } = harness as Harness;
    const fn = await prepare(backend, { name: 'f', source: writeTree(temporaryFolder(), SOURCE) });
    const made = new TestContainer(backend, transport, fn);
    await made.started();
    return made;
  }
  function supervisorOf(container: TestContainer): number {
    const name = container.handle.name.split('/')[1] as string;
    const folder = cgroupsOf((harness as Harness).config.name).find((path) => path.endsWith(`/${name}`)) as string;
    // The supervisor is the older of the two processes in there.
    return Math.min(...readFileSync(join(folder, 'cgroup.procs'), 'utf8').trim().split('\n').map(Number));
  }

  it('fills its pool, takes from it, and fills it again', async () => {
    const first = await started({ sandbox: { stemCells: 3 } });
    await until(() => counters()['cellsReady'] === 3);
    const misses = counters()['cellsMisses'];
    const second = await another();
    expect(counters()['cellsMisses']).toBe(misses);
    await until(() => counters()['cellsReady'] === 3);
    await Promise.all([first.destroy(), second.destroy()]);
  });

  it('starts with no pool at all', async () => {
    const made = await started({ sandbox: { stemCells: 0, nodeCells: 0 }, cgroup: { pool: 0 } });
    expect((await made.invoke({})).errorClass).toBe(null);
    expect(counters()['cellsReady']).toBe(0);
  });

  it('replaces a stem cell that dies in the pool', async () => {
    await (await started({ sandbox: { stemCells: 1, nodeCells: 0 } })).destroy();
    await until(() => counters()['cellsReady'] === 1);
    const spawned = counters()['cellsSpawned'] as number;
    const worker = (harness as Harness).config.name;
    const pids = cgroupsOf(worker).flatMap((path) =>
      readFileSync(join(path, 'cgroup.procs'), 'utf8').trim().split('\n'),
    );
    process.kill(Math.min(...pids.filter((pid) => pid !== '').map(Number)), 'SIGKILL');
    await until(() => (counters()['cellsSpawned'] as number) > spawned && counters()['cellsReady'] === 1);
    expect((await (await another()).invoke({})).errorClass).toBe(null);
  });

  it('says so when a supervisor is killed, and nothing of its container stays', async () => {
    const made = await started();
    const pid = supervisorOf(made);
    const running = made.invoke({});
    await running;
    process.kill(pid, 'SIGKILL');
    const failure = await made.exitedWith;
    expect(failure).toMatchObject({ errorClass: 'crashed', transient: true });
    await made.destroy();
    expect(
      cgroupsOf((harness as Harness).config.name).some((path) => path.endsWith(`/${made.handle.name.split('/')[1]}`)),
    ).toBe(false);
  });

  it.each([
    ['first', 0],
    ['second', 1],
  ])('goes on after its %s interpreter dies: containers live, starts wait for the next one', async (_which, index) => {
    const made = await started({ sandbox: { baseZygotes: 2 } });
    const { config } = harness as Harness;
    // Agents are forks too, with the same command line, but in pid namespaces of their own.
    const isZygote = (pid: number): boolean => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return (
          command.includes('zygote.py') && readlinkSync(`/proc/${pid}/ns/pid`) === readlinkSync('/proc/self/ns/pid')
        );
      } catch {
        return false; // it has ended meanwhile
      }
    };
    const zygotes = (): number[] => processesWith(config.dataDir).filter(isZygote);
    await until(() => zygotes().length >= 2);
    process.kill(zygotes()[index] as number, 'SIGKILL');
    // The second is a fork of the first, and ends with it.
    await until(() => (counters()['spawnerRestarts'] as number) >= 1);
    expect((await made.invoke({})).errorClass).toBe(null);
    expect((await (await another()).invoke({})).errorClass).toBe(null);
    await until(() => (harness as Harness).backend.health().notes.length === 0);
  });

  it('fails starts as transient, with its words, while an interpreter cannot come up', async () => {
    harness = await startProcessBackend({ sandbox: { zygoteImports: ['no_such_module_here'] } });
    const { backend, transport } = harness;
    const fn = await prepare(backend, { name: 'f', source: writeTree(temporaryFolder(), SOURCE) });
    const made = new TestContainer(backend, transport, fn);
    await expect(made.started()).rejects.toMatchObject({
      errorClass: 'start_failed',
      transient: true,
      message: expect.stringContaining('no_such_module_here'),
    });
    expect(backend.health().notes.join('\n')).toContain('no_such_module_here');
  });

  it('keeps its warm interpreters within their number, oldest out first', async () => {
    await (await started({ sandbox: { zygotes: 2, stemCells: 1 } })).destroy();
    const { backend, transport } = harness as Harness;
    const wheels = temporaryFolder();
    const made: TestContainer[] = [];
    for (const name of ['ilu_a', 'ilu_b', 'ilu_c']) {
      makeWheel(wheels, name, '1.0', {
        [`${name}/__init__.py`]: 'X = 1\n',
        [`${name}/filler.py`]: `T = """${'x'.repeat(600 * 1024)}"""\n`,
      });
      const source = writeTree(temporaryFolder(), {
        'main.py': `import ${name}\ndef main(a): return ${name}.X\n`,
        'requirements.txt': `--no-index\n--find-links ${wheels}\n${name}\n`,
      });
      const container = new TestContainer(backend, transport, await prepare(backend, { name, source }));
      made.push(container);
      await container.started();
    }
    expect(counters()).toMatchObject({ zygotes: 2, zygotesEvicted: 1 });
    for (const container of made) expect((await container.invoke({})).result).toBe(1);
  });

  it('refuses strangers on its socket', async () => {
    await (await started()).destroy();
    const { config } = harness as Harness;
    const meta = Buffer.from('{"role":"agent","container":"c1","token":"00000000000000000000000000000000"}');
    const hello = Buffer.alloc(32);
    hello.set([0xf1, 1]);
    hello.writeUInt32LE(meta.length, 16);
    hello.writeUInt32LE(1, 20);
    hello.writeUInt32LE(1, 24);
    hello.writeUInt32LE(1024, 28);
    const socket = connect(join(config.dataDir, 'run/agents-0/agents.sock'));
    const ended = new Promise((resolve) => socket.on('close', resolve));
    socket.on('error', () => {});
    socket.resume();
    socket.write(Buffer.concat([hello, meta]));
    await ended;
    expect(counters()['strangersRefused']).toBe(1);
  });

  it('leaves no cgroup when it cannot start', async () => {
    const name = `unstarted-${process.pid}`;
    // Not to be provoked otherwise: links that cannot be listed.
    const networks = { start: () => Promise.reject(new Error('no links')) } as unknown as Networks;
    await expect(startProcessBackend({ name }, { adapt: (parts) => ({ ...parts, networks }) })).rejects.toThrow(
      'no links',
    );
    const left = native()
      .cgroup.mounts()
      .filter(({ path }) => existsSync(join(path, 'iluvatar', name)));
    expect(left).toEqual([]);
  });

  it('refuses a second worker of the same name', async () => {
    await (await started()).destroy();
    const { config } = harness as Harness;
    await expect(startProcessBackend({ name: config.name })).rejects.toMatchObject({ errorClass: 'conflict' });
  });

  it('sweeps what an earlier run left: processes in its cgroups and the cgroups', async () => {
    const name = `left-${process.pid}`;
    const dirs = native()
      .cgroup.mounts()
      .filter((mount) => mount.controllers.some((controller) => ['memory', 'pids'].includes(controller)))
      .map((mount) => join(mount.path, 'iluvatar', name, 'c77'));
    for (const dir of dirs) mkdirSync(dir, { recursive: true });
    const orphan = spawn('sleep', ['300'], { stdio: 'ignore' });
    children.push(orphan);
    const died = new Promise((resolve) => orphan.on('exit', (_code, signal) => resolve(signal)));
    for (const dir of dirs) writeFileSync(join(dir, 'cgroup.procs'), `${orphan.pid}`);
    harness = await startProcessBackend({ name });
    expect(await died).toBe('SIGKILL');
    expect(cgroupsOf(name).filter((path) => path.endsWith('/c77'))).toEqual([]);
  });

  it('leaves no process behind when the worker itself is killed', async () => {
    const name = `killed-${process.pid}`;
    const dataDir = temporaryFolder();
    const source = writeTree(temporaryFolder(), SOURCE);
    const worker = spawn(process.execPath, ['--import', 'tsx', WORKER, dataDir, source, name, 'stay'], {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(worker);
    const line = await new Promise<string>((resolve) =>
      worker.stdout?.once('data', (data: Buffer) => resolve(data.toString())),
    );
    expect(JSON.parse(line)).toMatchObject({ errorClass: null, result: { pid: 2 } });
    expect(cgroupsOf(name).length).toBeGreaterThan(0);
    worker.kill('SIGKILL');
    const occupied = (): string[] =>
      cgroupsOf(name).filter((path) => readFileSync(join(path, 'cgroup.procs'), 'utf8') !== '');
    await until(() => occupied().length === 0 && processesWith(dataDir).length === 0);
    harness = await startProcessBackend({ name, dataDir });
    expect((await (await another()).invoke({})).errorClass).toBe(null);
  });
});

const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', '--'];
const setpriv = missingOf({ root: true, command: ['setpriv', 'python3'] });
if (setpriv.length === 0 && spawnSync('setpriv', [...nobody, 'test', '-r', WORKER]).status !== 0) {
  setpriv.push('needs the sources to lie where another user can read them');
}
describeWith({ condition: { holds: setpriv.length === 0, otherwise: setpriv.join('; ') } }, 'without root', () => {
  afterAll(removeTemporaryFolders);

  it('runs with what an ordinary user may use, and says which protections are off', () => {
    const folder = temporaryFolder();
    const dataDir = join(folder, 'data');
    mkdirSync(dataDir, { mode: 0o777 });
    chmodSync(folder, 0o755);
    chmodSync(dataDir, 0o777);
    const source = writeTree(temporaryFolder(), SOURCE);
    chmodSync(source, 0o755);
    const script = [...nobody, process.execPath, '--import', 'tsx', WORKER];
    const environment = { PATH: '/usr/bin:/bin', HOME: dataDir, TSX_DISABLE_CACHE: '1' };
    const output = execFileSync('setpriv', [...script, dataDir, source, `user-${process.pid}`, 'once'], {
      cwd: ROOT,
      env: environment,
      timeout: 50_000,
    }).toString();
    const said = JSON.parse(output.trim().split('\n').at(-1) as string) as {
      errorClass: unknown;
      result: unknown;
      notes: string[];
    };
    expect(said).toMatchObject({ errorClass: null, result: { pid: expect.any(Number) } });
    expect(said.notes.join('\n')).toMatch(/cgroups/);
    rmSync(dataDir, { recursive: true, force: true });
  });
});
