import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native.js';

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

describe('limits', () => {
  it('in version 2', () => {
    const { dir, read } = tree('v2', V2);
    cgroup.setLimits([dir], [2], { memoryBytes: 134_217_728, cpus: 1.5, pids: 77 });
    expect(['cpu.max', 'memory.max', 'memory.swap.max', 'pids.max'].map(read)).toEqual([
      '150000 100000',
      '134217728',
      '0',
      '77',
    ]);
    rmSync(dir, { recursive: true });
    const again = tree('v2', V2);
    cgroup.setLimits([dir], [2], { memoryBytes: null, cpus: null, pids: null });
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
    cgroup.setLimits([cpu.dir, memory.dir, pids.dir], [1, 1, 1], { memoryBytes: 1 << 24, cpus: 0.25, pids: 5 });
    expect([cpu.read('cpu.cfs_period_us'), cpu.read('cpu.cfs_quota_us')]).toEqual(['100000', '25000']);
    expect(memory.read('memory.limit_in_bytes')).toBe('16777216');
    // A page more (4 to 64 KiB), so that hits are counted where they are read.
    const both = Number(memory.read('memory.memsw.limit_in_bytes')) - 16_777_216;
    expect(both).toBeGreaterThanOrEqual(4096);
    expect(both).toBeLessThanOrEqual(65_536);
    expect(pids.read('pids.max')).toBe('5');
  });

  it('leave out what the folder does not offer, and make no file', () => {
    const { dir } = tree('bare', { 'memory.limit_in_bytes': '' });
    cgroup.setLimits([dir], [1], { memoryBytes: 4096, cpus: 1, pids: 1 });
    cgroup.setLimits([dir], [2], { memoryBytes: 4096, cpus: 1, pids: 1 });
    expect(readdirSync(dir)).toEqual(['memory.limit_in_bytes']);
  });

  it('ask for a quota that the kernel accepts and that is exact to the microsecond', () => {
    const { dir, read } = tree('quota', V2);
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1024, noNaN: true }), (cpus) => {
        writeFileSync(join(dir, 'cpu.max'), '');
        cgroup.setLimits([dir], [2], { memoryBytes: null, cpus, pids: null });
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
      'memory.max_usage_in_bytes': '2000\n',
      'memory.usage_in_bytes': '1500\n',
      'memory.limit_in_bytes': '4096\n',
    });
    const cpu = tree('cpuacct', { 'cpuacct.usage': '5000000\n' });
    expect(cgroup.evidence([memory.dir, cpu.dir], [1, 1])).toEqual({
      oomKills: 1,
      limitHits: 7,
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

  it('measures without the cache that can be given back', () => {
    const v2 = tree('v2', { 'memory.current': '5000\n', 'memory.stat': 'anon 1\ninactive_file 1200\nactive_file 3\n' });
    expect(cgroup.memoryBytes([v2.dir], [2])).toBe(3800);
    const v1 = tree('v1', {
      'memory.usage_in_bytes': '5000\n',
      'memory.stat': 'inactive_file 1\ntotal_inactive_file 6000\n',
    });
    expect(cgroup.memoryBytes([v1.dir], [1])).toBe(0);
    expect(cgroup.memoryBytes([tree('other', {}).dir], [1])).toBe(0);
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
