import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CgroupLimits, native } from '../../src/native.js';
import { gone, isRoot, type Peer, Station } from './harness.js';

/** Limits that hold, and the evidence they leave. On whatever hierarchies this machine has for cpu, memory and pids. */

const SIGKILL = 9;
const WANTED = ['memory', 'cpu', 'cpuacct', 'pids'];
const UNLIMITED: CgroupLimits = { memoryBytes: null, swapBytes: null, cpus: null, shares: null, pids: null };

interface Hierarchies {
  parents: string[];
  versions: number[];
}

/** One folder of ours in each hierarchy that has a controller we want. */
function hierarchies(): Hierarchies {
  const found = isRoot
    ? native()
        .cgroup.mounts()
        .filter((mount) => mount.controllers.some((controller) => WANTED.includes(controller)))
    : [];
  return {
    parents: found.map((mount) => `${mount.path}/ilu-test-limits-${process.pid}`),
    versions: found.map((mount) => mount.version),
  };
}

const { parents, versions } = hierarchies();

describe.skipIf(parents.length === 0)('limits of a container (root with cgroups)', () => {
  const { cgroup } = native();
  let station: Station;
  let launcher: Peer;
  let sequence = 0;
  const made: string[][] = [];

  beforeAll(async () => {
    cgroup.create(parents);
    station = await Station.open();
    launcher = await station.launch({ cgroups: parents });
  });

  afterAll(async () => {
    await station?.close();
    for (const dirs of made) cgroup.killAll(dirs, versions);
    // The kernel lets go of a killed process's cgroup a moment after.
    for (let round = 0; round < 3000 && !made.every((dirs) => cgroup.remove(dirs)); round++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(cgroup.remove(parents)).toBe(true);
  });

  const limited = (limits: Partial<CgroupLimits>) => {
    const name = `c${++sequence}`;
    const dirs = parents.map((parent) => `${parent}/${name}`);
    made.push(dirs);
    cgroup.create(dirs);
    cgroup.setLimits(dirs, versions, { ...UNLIMITED, ...limits });
    return { name, dirs };
  };

  it('announces no missing protection', () => {
    expect(launcher.hello.off).toEqual([]);
  });

  it('kills the agent at its memory limit, and the supervisor lives to tell', async () => {
    const { name, dirs } = limited({ memoryBytes: 32 << 20 });
    const { exited, pid } = await station.run(launcher, 'exec tail /dev/zero', { cgroup: name });
    expect(exited).toMatchObject({ x1: SIGKILL });
    const evidence = cgroup.evidence(dirs, versions);
    expect(evidence.oomKills).toBe(1);
    expect(evidence.limitHits).toBeGreaterThan(0);
    expect(evidence.limitBytes).toBe(32 << 20);
    expect(evidence.peakBytes).toBeGreaterThan(30 << 20);
    expect(evidence.peakBytes).toBeLessThanOrEqual(32 << 20);
    await gone(pid);
    expect(cgroup.pids(dirs)).toEqual([]);
  });

  it('counts /tmp and /dev/shm against the memory', async () => {
    for (const folder of ['/tmp', '/dev/shm']) {
      const { name, dirs } = limited({ memoryBytes: 16 << 20 });
      const fill = `exec dd if=/dev/zero of=${folder}/fill bs=1M count=60`;
      const { exited } = await station.run(launcher, fill, { cgroup: name, tmpMb: 64 });
      expect([folder, exited.x1]).toEqual([folder, SIGKILL]);
      expect(cgroup.evidence(dirs, versions).oomKills).toBe(1);
    }
  });

  it('refuses processes beyond the limit, and the container survives it', async () => {
    const { name } = limited({ pids: 12 });
    const script = 'n=0; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do sleep 5 & done; echo unreachable';
    const { stderr, exited } = await station.run(launcher, script, { cgroup: name });
    expect(stderr).toMatch(/Cannot fork|Resource temporarily unavailable/);
    expect(exited).toMatchObject({ x0: 2, x1: 0 });
  });

  it('holds a container of four spinning processes to its CPUs', async () => {
    const { name, dirs } = limited({ cpus: 0.4 });
    const spin = '(while :; do :; done) & '.repeat(4);
    const before = performance.now();
    await station.run(launcher, `${spin} sleep 2; exit 0`, { cgroup: name });
    const seconds = (performance.now() - before) / 1000;
    const used = (cgroup.evidence(dirs, versions).cpuUsageUs ?? Number.NaN) / 1e6;
    // One period more than the quota may be used at each end.
    expect(used).toBeLessThan(0.4 * (seconds + 0.2));
    expect(used).toBeGreaterThan(0.1);
  });

  it('counts the whole container: supervisor, agent and children', async () => {
    const { name, dirs } = limited({ pids: 64 });
    const cell = await station.spawn(launcher, { cgroup: name });
    station.assign(cell.supervisor, { argv: ['/bin/sh', '-c', 'sleep 100 & echo up; wait'] });
    await cell.supervisor.frame(21);
    const pids = cgroup.pids(dirs);
    expect(pids).toContain(cell.pid);
    expect(pids).toHaveLength(3);
    expect(cgroup.memory(dirs, versions).usedBytes).toBeGreaterThan(0);
    expect(cgroup.remove(dirs)).toBe(false);
    expect(cgroup.killAll(dirs, versions)).toBe(3);
    await gone(cell.pid);
    await cell.supervisor.close();
  });

  it('sees its own cgroups as the root of all', async () => {
    const { name } = limited({});
    const { stdout } = await station.run(launcher, 'grep -c ilu-test /proc/self/cgroup; cat /proc/self/cgroup', {
      cgroup: name,
    });
    expect(stdout.split('\n')[0]).toBe('0');
    expect(stdout).toMatch(/^\d+:[a-z,]*memory[a-z,]*:\/$|^0::\/$/m);
  });
});
