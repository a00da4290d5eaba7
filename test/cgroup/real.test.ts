import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { native } from '../../src/native.js';

/** The cgroup module on the hierarchies this machine really has. */

const { cgroup } = native();
const isRoot = process.getuid?.() === 0;
const all = cgroup.mounts();
const used = all.filter((mount) =>
  mount.controllers.some((name) => ['cpu', 'cpuacct', 'memory', 'pids'].includes(name)),
);
const versions = used.map((mount) => mount.version);
const parents = used.map((mount) => `${mount.path}/ilu-test-cgroup-${process.pid}`);
const children: ChildProcess[] = [];

async function sleeper(): Promise<ChildProcess> {
  const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
  children.push(child);
  await new Promise((resolve) => child.once('spawn', resolve));
  return child;
}

function ended(child: ChildProcess): Promise<unknown> {
  return child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise((resolve) => child.once('exit', resolve));
}

async function removed(dirs: string[]): Promise<boolean> {
  // A dead process leaves its cgroup a moment after it was reaped.
  for (let round = 0; round < 3000; round++) {
    if (cgroup.remove(dirs)) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

it('finds the hierarchies that are mounted', () => {
  const table = readFileSync('/proc/self/mountinfo', 'utf8');
  const count = (table.match(/ - cgroup2? /g) ?? []).length;
  expect(all.length).toBeLessThanOrEqual(count);
  for (const mount of all) {
    expect(table).toContain(` ${mount.path} `);
    expect(existsSync(join(mount.path, 'cgroup.procs'))).toBe(true);
    if (mount.version === 1) expect(mount.controllers.length).toBeGreaterThan(0);
  }
});

describe.skipIf(!isRoot || used.length === 0)('on real hierarchies (root)', () => {
  const dirs = parents.map((parent) => join(parent, 'one'));

  beforeAll(() => cgroup.create(dirs));
  afterEach(async () => {
    for (const child of children.splice(0)) {
      child.kill('SIGKILL');
      await ended(child);
    }
  });
  afterAll(async () => {
    expect(await removed(dirs)).toBe(true);
    expect(await removed(parents)).toBe(true);
  });

  it('limits can be set, raised, lowered and lifted, in any order', () => {
    for (const memoryMb of [64, 512, 16, null, 32]) {
      for (const cpus of [1, 0.01, 2, null]) {
        const memoryBytes = memoryMb === null ? null : memoryMb << 20;
        cgroup.setLimits(dirs, versions, { memoryBytes, swapBytes: 0, cpus, shares: null, pids: 50 });
        if (memoryBytes !== null) expect(cgroup.evidence(dirs, versions).limitBytes).toBe(memoryBytes);
      }
    }
  });

  it('processes are moved in, counted, measured and killed', async () => {
    const [one, two] = [await sleeper(), await sleeper()];
    cgroup.addProcess(dirs, one.pid as number);
    cgroup.addProcess(dirs, two.pid as number);
    expect(new Set(cgroup.pids(dirs))).toEqual(new Set([one.pid, two.pid]));
    expect(cgroup.remove(dirs.slice(0, 1))).toBe(false);
    expect(cgroup.evidence(dirs, versions)).toMatchObject({ oomKills: 0 });
    expect(cgroup.killAll(dirs, versions)).toBe(2);
    await Promise.all([ended(one), ended(two)]);
    expect([one.signalCode, two.signalCode]).toEqual(['SIGKILL', 'SIGKILL']);
    expect(cgroup.pids(dirs)).toEqual([]);
    expect(cgroup.killAll(dirs, versions)).toBe(0);
  });

  it('a process that is gone is a named error', async () => {
    const child = await sleeper();
    child.kill('SIGKILL');
    await ended(child);
    expect(() => cgroup.addProcess(dirs, child.pid as number)).toThrow(
      expect.objectContaining({ code: 'ESRCH', syscall: 'write' }),
    );
  });

  it('asks for cheap moves without leaving a mount, a folder or a hierarchy behind', async () => {
    const path = join(tmpdir(), `ilu-dynmods-${process.pid}`);
    const name = `ilu-test-${process.pid}`;
    let supported = true;
    try {
      cgroup.favorDynmods(path, name);
    } catch (error) {
      // Kernels before 6.0 do not know the option: then it must say so.
      expect(error).toMatchObject({ code: 'EINVAL', syscall: 'mount', path });
      supported = false;
    }
    // By its own names, not by comparing tables: other suites mount and unmount meanwhile.
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(path);
    // The kernel forgets a hierarchy a moment after its last mount.
    await expect.poll(() => readFileSync('/proc/self/cgroup', 'utf8'), { timeout: 10_000 }).not.toContain(name);
    expect(existsSync(path)).toBe(false);
    expect(typeof supported).toBe('boolean');
  });
});
