import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type CgroupLimits, native } from '../../src/native.js';

/**
 * What the cgroup module writes and how it reads, on ordinary folders with the files of a cgroup: the formats of version 2, which not every machine
 * has, and the cases a real hierarchy does not produce on demand.
 */

const { cgroup } = native();
let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ilu-cgroup-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** A folder with these files; `read` gives one back. */
function tree(name: string, files: Record<string, string>): { dir: string; read: (file: string) => string } {
  const dir = join(root, name);
  mkdirSync(dir, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(dir, file), text);
  return { dir, read: (file) => readFileSync(join(dir, file), 'utf8') };
}

const V2 = { 'cpu.max': '', 'memory.max': '', 'memory.swap.max': '', 'pids.max': '' };
const UNLIMITED: CgroupLimits = { memoryBytes: null, swapBytes: null, cpus: null, shares: null, pids: null };

describe('limits', () => {
  it('in version 2', () => {
    const { dir, read } = tree('v2', V2);
    cgroup.setLimits([dir], [2], { ...UNLIMITED, memoryBytes: 134_217_728, swapBytes: 0, cpus: 1.5, pids: 77 });
    expect(['cpu.max', 'memory.max', 'memory.swap.max', 'pids.max'].map(read)).toEqual([
      '150000 100000',
      '134217728',
      '0',
      '77',
    ]);
    rmSync(dir, { recursive: true });
    const again = tree('v2', V2);
    cgroup.setLimits([dir], [2], UNLIMITED);
    expect(['cpu.max', 'memory.max', 'memory.swap.max', 'pids.max'].map(again.read)).toEqual([
      'max 100000',
      'max',
      'max',
      'max',
    ]);
  });

  it('in version 1, one hierarchy a controller', () => {
    const cpu = tree('cpu', { 'cpu.cfs_period_us': '', 'cpu.cfs_quota_us': '' });
    const memory = tree('memory', { 'memory.limit_in_bytes': '', 'memory.memsw.limit_in_bytes': '' });
    const pids = tree('pids', { 'pids.max': '' });
    const limits = { ...UNLIMITED, memoryBytes: 1 << 24, swapBytes: 0, cpus: 0.25, pids: 5 };
    cgroup.setLimits([cpu.dir, memory.dir, pids.dir], [1, 1, 1], limits);
    expect([cpu.read('cpu.cfs_period_us'), cpu.read('cpu.cfs_quota_us')]).toEqual(['100000', '25000']);
    expect(memory.read('memory.limit_in_bytes')).toBe('16777216');
    // A page more (4 to 64 KiB), so that hits are counted where they are read.
    const both = Number(memory.read('memory.memsw.limit_in_bytes')) - 16_777_216;
    expect(both).toBeGreaterThanOrEqual(4096);
    expect(both).toBeLessThanOrEqual(65_536);
    expect(pids.read('pids.max')).toBe('5');
  });

  it('allow swap beside the memory, which version 1 counts together', () => {
    const limits = { ...UNLIMITED, memoryBytes: 1 << 24, swapBytes: 1 << 23 };
    const v1 = tree('v1', { 'memory.limit_in_bytes': '', 'memory.memsw.limit_in_bytes': '' });
    cgroup.setLimits([v1.dir], [1], limits);
    expect(v1.read('memory.memsw.limit_in_bytes')).toBe(`${(1 << 24) + (1 << 23)}`);
    const v2 = tree('v2', V2);
    cgroup.setLimits([v2.dir], [2], limits);
    expect(v2.read('memory.swap.max')).toBe(`${1 << 23}`);
  });

  it('weigh, in the units of each version, and leave the weight alone where none is asked for', () => {
    const v1 = tree('v1', { 'cpu.shares': '' });
    const v2 = tree('v2', { 'cpu.weight': '' });
    const weigh = (shares: number | null): string[] => {
      for (const { dir } of [v1, v2]) for (const file of readdirSync(dir)) writeFileSync(join(dir, file), '');
      cgroup.setLimits([v1.dir, v2.dir], [1, 2], { ...UNLIMITED, shares });
      return [v1.read('cpu.shares'), v2.read('cpu.weight')];
    };
    expect(weigh(1024)).toEqual(['1024', '100']);
    expect(weigh(1536)).toEqual(['1536', '150']);
    expect(weigh(2)).toEqual(['2', '1']);
    expect(weigh(1024 * 1024)).toEqual(['1048576', '10000']);
    expect(weigh(null)).toEqual(['', '']);
  });

  it('leave out what the folder does not offer, and make no file', () => {
    const { dir } = tree('bare', { 'memory.limit_in_bytes': '' });
    cgroup.setLimits([dir], [1], { ...UNLIMITED, memoryBytes: 4096, cpus: 1, pids: 1 });
    cgroup.setLimits([dir], [2], { ...UNLIMITED, memoryBytes: 4096, cpus: 1, pids: 1 });
    expect(readdirSync(dir)).toEqual(['memory.limit_in_bytes']);
  });

  it('ask for a quota that the kernel accepts and that is exact to the microsecond', () => {
    const { dir, read } = tree('quota', V2);
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1024, noNaN: true }), (cpus) => {
        writeFileSync(join(dir, 'cpu.max'), '');
        cgroup.setLimits([dir], [2], { ...UNLIMITED, cpus });
        const [quota, period] = read('cpu.max').split(' ').map(Number) as [number, number];
        expect(period).toBe(100_000);
        expect(quota).toBeGreaterThanOrEqual(1000);
        expect(Math.abs(quota - cpus * 100_000)).toBeLessThanOrEqual(0.5);
      }),
      { numRuns: 200 },
    );
  });
});

describe('evidence', () => {
  it('in version 2', () => {
    const { dir } = tree('v2', {
      'memory.events': 'low 0\nhigh 0\nmax 41\noom 3\noom_kill 2\noom_group_kill 0\n',
      'memory.peak': '1000\n',
      'memory.current': '900\n',
      'memory.max': '1024\n',
      'cpu.stat': 'usage_usec 12345\nuser_usec 1\nsystem_usec 2\n',
    });
    expect(cgroup.evidence([dir], [2])).toEqual({
      oomKills: 2,
      limitHits: 41,
      peakBytes: 1000,
      currentBytes: 900,
      limitBytes: 1024,
      cpuUsageUs: 12_345,
    });
  });

  it('in version 1, with CPU time from its own hierarchy', () => {
    const memory = tree('memory', {
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 1\n',
      'memory.failcnt': '7\n',
      'memory.memsw.failcnt': '2\n',
      'memory.max_usage_in_bytes': '2000\n',
      'memory.usage_in_bytes': '1500\n',
      'memory.limit_in_bytes': '4096\n',
    });
    const cpu = tree('cpuacct', { 'cpuacct.usage': '5000000\n' });
    expect(cgroup.evidence([memory.dir, cpu.dir], [1, 1])).toEqual({
      oomKills: 1,
      limitHits: 9,
      peakBytes: 2000,
      currentBytes: 1500,
      limitBytes: 4096,
      cpuUsageUs: 5000,
    });
  });

  it('is empty, not an error, where there is no controller; missing folders are errors', () => {
    const { dir } = tree('none', { 'memory.max': 'max\n' });
    const nothing = {
      oomKills: 0,
      limitHits: 0,
      peakBytes: null,
      currentBytes: null,
      limitBytes: null,
      cpuUsageUs: null,
    };
    expect(cgroup.evidence([dir], [2])).toEqual(nothing);
    const missing = join(root, 'gone');
    expect(() => cgroup.evidence([missing], [2])).toThrow(
      expect.objectContaining({ code: 'ENOENT', errno: -2, syscall: 'access', path: missing }),
    );
  });

  it('tells what is held from the page cache, of which shared memory and tmpfs are no part', () => {
    const v2 = tree('v2', {
      'memory.current': '5000\n',
      'memory.stat': 'anon 1\nfile 1500\nkernel 700\nshmem 300\ninactive_file 1200\nactive_file 3\n',
    });
    expect(cgroup.memory([v2.dir], [2])).toEqual({ usedBytes: 3800, cacheBytes: 1200 });
    const v1 = tree('v1', {
      'memory.usage_in_bytes': '5000\n',
      'memory.stat': 'cache 1\nshmem 1\ntotal_cache 1500\ntotal_shmem 300\n',
    });
    expect(cgroup.memory([v1.dir], [1])).toEqual({ usedBytes: 3800, cacheBytes: 1200 });
    // Read at two times, the cache may be more than there was in all.
    writeFileSync(join(v1.dir, 'memory.stat'), 'total_cache 6000\ntotal_shmem 0\n');
    expect(cgroup.memory([v1.dir], [1])).toEqual({ usedBytes: 0, cacheBytes: 5000 });
    expect(cgroup.memory([tree('other', {}).dir], [1])).toEqual({ usedBytes: 0, cacheBytes: 0 });
  });

  it('reads throttling and counters from open files, again and again', () => {
    const { dir } = tree('stat', {
      v1: 'nr_periods 10\nnr_throttled 3\nthrottled_time 1234567\n',
      v2: 'usage_usec 9\nnr_throttled 3\nthrottled_usec 5678\n',
      none: 'usage_usec 9\n',
      peak: '4096\n',
    });
    const files = ['v1', 'v2', 'none', 'peak'].map((name) => openSync(join(dir, name), 'r+'));
    const [v1, v2, none, peak] = files as [number, number, number, number];
    try {
      expect([v1, v2, none].map((file) => cgroup.throttledUs(file))).toEqual([1234, 5678, -1]);
      writeSync(v2, 'usage_usec 9\nnr_throttled 3\nthrottled_usec 6789\n', 0);
      expect([v2, v2].map((file) => cgroup.throttledUs(file))).toEqual([6789, 6789]);
      expect([peak, none].map((file) => cgroup.counter(file))).toEqual([4096, -1]);
    } finally {
      for (const file of files) closeSync(file);
    }
    expect(cgroup.counter(-1)).toBe(-1);
  });
});

describe('cores', () => {
  it('in version 1: a group and its ancestors get those of their parents before its own are set', () => {
    const root = tree('v1', { 'cpuset.cpus': '0-3\n', 'cpuset.mems': '0\n' });
    // What the kernel would make with each folder.
    const parent = tree('v1/parent', { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' });
    const child = tree('v1/parent/child', { 'cpuset.cpus': '\n', 'cpuset.mems': '\n' });
    cgroup.setCpuset(child.dir, 1, '2');
    // An ordinary file keeps what is longer than the last write: "0-3", then "2" over it.
    expect([parent, child].flatMap(({ read }) => [read('cpuset.cpus').trim(), read('cpuset.mems').trim()])).toEqual([
      '0-3',
      '0',
      '2-3',
      '0',
    ]);
    expect(root.read('cpuset.cpus')).toBe('0-3\n');
  });

  it('in version 2: every ancestor hands the controller down that does not yet', () => {
    const control = { 'cgroup.controllers': 'cpuset cpu\n', 'cgroup.subtree_control': '' };
    const root = tree('v2', control);
    const parent = tree('v2/parent', { ...control, 'cpuset.cpus': '' });
    const child = tree('v2/parent/child', { 'cpuset.cpus': '' });
    cgroup.setCpuset(child.dir, 2, '0-1');
    expect(child.read('cpuset.cpus')).toBe('0-1');
    expect(parent.read('cgroup.subtree_control')).toBe('');
    rmSync(join(parent.dir, 'cpuset.cpus'));
    rmSync(join(child.dir, 'cpuset.cpus'));
    expect(() => cgroup.setCpuset(child.dir, 2, '0')).toThrow(expect.objectContaining({ code: 'ENOENT' }));
    expect(['+cpuset', '+cpuset']).toEqual([root, parent].map(({ read }) => read('cgroup.subtree_control')));
  });
});

describe('processes', () => {
  it('are the union over the hierarchies, without those that cannot be named', () => {
    const one = tree('one', { 'cgroup.procs': '30\n10\n0\n' });
    const two = tree('two', { 'cgroup.procs': '10\n20\n' });
    expect(cgroup.pids([one.dir, two.dir, join(root, 'gone')])).toEqual([10, 20, 30]);
  });

  it('are added by number to each', () => {
    const one = tree('one', { 'cgroup.procs': '' });
    const two = tree('two', { 'cgroup.procs': '' });
    cgroup.addProcess([one.dir, two.dir], 4242);
    expect([one.read('cgroup.procs'), two.read('cgroup.procs')]).toEqual(['4242', '4242']);
    expect(() => cgroup.addProcess([one.dir], 0)).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});

describe('folders', () => {
  it('are made with their parents, handing down the controllers that version 2 needs', () => {
    const { dir, read } = tree('v2', {
      'cgroup.controllers': 'cpuset cpu io memory pids\n',
      'cgroup.subtree_control': 'cpu memory\n',
    });
    cgroup.create([join(dir, 'a', 'b')]);
    // A real file would collect them; an ordinary one keeps the only controller that was missing.
    expect(read('cgroup.subtree_control')).toMatch(/^\+pids/);
    expect(readdirSync(join(dir, 'a'))).toEqual(['b']);
    cgroup.create([join(dir, 'a', 'b')]);
  });

  it('are removed when empty, kept when not, and gone is fine', () => {
    const dirs = [join(root, 'x', 'one'), join(root, 'x', 'two')];
    cgroup.create(dirs);
    writeFileSync(join(dirs[1] as string, 'busy'), '');
    expect(cgroup.remove(dirs)).toBe(false);
    expect(readdirSync(join(root, 'x'))).toEqual(['two']);
    rmSync(join(dirs[1] as string, 'busy'));
    expect(cgroup.remove(dirs)).toBe(true);
    expect(cgroup.remove(dirs)).toBe(true);
  });

  it('that cannot be made say which', () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    expect(() => cgroup.create([join(file, 'below')])).toThrow(
      expect.objectContaining({ code: 'ENOTDIR', syscall: 'mkdir', path: join(file, 'below') }),
    );
    expect(() => cgroup.create(['relative'])).toThrow(expect.objectContaining({ code: 'EINVAL' }));
  });
});
