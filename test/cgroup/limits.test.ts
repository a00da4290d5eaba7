import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { limitsFault } from '../../src/backends/cgroups/check-limits.js';
import { coresOf } from '../../src/backends/cgroups/cores.js';
import type { CgroupLayout } from '../../src/backends/cgroups/layout.js';
import { quotaUs, toCgroupLimits, toDockerLimits, toOciResources } from '../../src/backends/cgroups/limit-formats.js';
import { memoryPolicyNotes } from '../../src/backends/cgroups/limit-notes.js';
import { type ContainerLimits, containerLimits } from '../../src/backends/cgroups/limits.js';
import { runMeterFor } from '../../src/backends/cgroups/run-meter.js';
import { type FunctionDefinitionInput, functionDefinitionSchema } from '../../src/config/api.js';
import { type WorkerConfigInput, workerConfigSchema } from '../../src/config/schema.js';
import { native } from '../../src/native.js';

/**
 * From a function and a worker's settings to what is written, said to an OCI runtime and said to Docker; and what is read after runs. Files are ordinary ones in a folder made like a
 * cgroup's, for both versions: this shows what is written and read, not that a kernel takes it (test/worker/limits.test.ts does, on the version that this machine has).
 */

const MIB = 1024 * 1024;
const PAGE = 4096;

function limitsOf(definition: Partial<FunctionDefinitionInput>, config: WorkerConfigInput = {}): ContainerLimits {
  const full = functionDefinitionSchema.parse({ name: 'f', source: '/f', memoryMb: 100, pids: 50, ...definition });
  return containerLimits(full, workerConfigSchema.parse(config));
}

let root = '';

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ilu-limits-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const V1_FILES = ['memory.limit_in_bytes', 'memory.memsw.limit_in_bytes', 'memory.soft_limit_in_bytes', 'pids.max'];
const V2_FILES = ['memory.max', 'memory.swap.max', 'memory.high', 'memory.low', 'pids.max'];
const CPU_FILES = { 1: ['cpu.cfs_period_us', 'cpu.cfs_quota_us', 'cpu.shares'], 2: ['cpu.max', 'cpu.weight'] };

/** What each file of the folder has in it after these limits were written; files that were left alone are left out. */
function written(version: 1 | 2, limits: ContainerLimits): Record<string, string> {
  for (const name of readdirSync(root)) rmSync(join(root, name));
  for (const name of [...(version === 1 ? V1_FILES : V2_FILES), ...CPU_FILES[version]]) {
    writeFileSync(join(root, name), '');
  }
  native().cgroup.setLimits([root], [version], toCgroupLimits(limits, 1));
  const texts = readdirSync(root).map((name) => [name, readFileSync(join(root, name), 'utf8')] as const);
  return Object.fromEntries(texts.filter(([, text]) => text !== ''));
}

const CPU_V1 = { 'cpu.cfs_period_us': '100000', 'cpu.cfs_quota_us': '100000', 'pids.max': '51' };
const CPU_V2 = { 'cpu.max': '100000 100000', 'pids.max': '51' };
const CPU_OCI = { cpu: { period: 100_000, quota: 100_000 }, pids: { limit: 51 } };
const CPU_DOCKER = { CpuPeriod: 100_000, CpuQuota: 100_000, CpuShares: 0, CpusetCpus: '', PidsLimit: 51 };

describe.each([
  {
    policy: 'kill' as const,
    record: { memoryBytes: 100 * MIB, memorySoftBytes: null, swapBytes: 0 },
    // A page more in version 1, where hits are counted in memory.failcnt only if that limit is the lower one.
    v1: { 'memory.limit_in_bytes': `${100 * MIB}`, 'memory.memsw.limit_in_bytes': `${100 * MIB + PAGE}` },
    v2: { 'memory.max': `${100 * MIB}`, 'memory.swap.max': '0' },
    oci: { limit: 100 * MIB, swap: 100 * MIB },
    docker: { Memory: 100 * MIB, MemorySwap: 100 * MIB },
  },
  {
    policy: 'grow' as const,
    record: { memoryBytes: 200 * MIB, memorySoftBytes: 100 * MIB, swapBytes: 0 },
    v1: { 'memory.limit_in_bytes': `${200 * MIB}`, 'memory.memsw.limit_in_bytes': `${200 * MIB + PAGE}` },
    v2: { 'memory.max': `${200 * MIB}`, 'memory.swap.max': '0' },
    oci: { limit: 200 * MIB, swap: 200 * MIB },
    docker: { Memory: 200 * MIB, MemorySwap: 200 * MIB },
  },
  {
    policy: 'swap' as const,
    record: { memoryBytes: 100 * MIB, memorySoftBytes: null, swapBytes: 100 * MIB },
    v1: { 'memory.limit_in_bytes': `${100 * MIB}`, 'memory.memsw.limit_in_bytes': `${200 * MIB}` },
    v2: { 'memory.max': `${100 * MIB}`, 'memory.swap.max': `${100 * MIB}` },
    oci: { limit: 100 * MIB, swap: 200 * MIB },
    docker: { Memory: 100 * MIB, MemorySwap: 200 * MIB },
  },
  {
    policy: 'none' as const,
    record: { memoryBytes: null, memorySoftBytes: null, swapBytes: null },
    v1: { 'memory.limit_in_bytes': '-1', 'memory.memsw.limit_in_bytes': '-1' },
    v2: { 'memory.max': 'max', 'memory.swap.max': 'max' },
    oci: null,
    docker: { Memory: 0, MemorySwap: -1 },
  },
])('memory policy $policy', ({ policy, record, v1, v2, oci, docker }) => {
  it('is the same record from the function as from the worker', () => {
    const cpus = { cpus: 1, shares: null, cpuset: null, pids: 50 };
    expect(limitsOf({ memoryPolicy: policy })).toEqual({ ...record, ...cpus });
    expect(limitsOf({}, { memory: { policy } })).toEqual({ ...record, ...cpus });
    const other = policy === 'kill' ? 'none' : 'kill';
    expect(limitsOf({ memoryPolicy: policy }, { memory: { policy: other } })).toEqual({ ...record, ...cpus });
  });

  it('is written to the files of version 1 and 2', () => {
    const limits = limitsOf({ memoryPolicy: policy });
    expect(written(1, limits)).toEqual({ ...v1, ...CPU_V1 });
    expect(written(2, limits)).toEqual({ ...v2, ...CPU_V2 });
  });

  it('is what an OCI runtime and Docker are told', () => {
    const limits = limitsOf({ memoryPolicy: policy });
    expect(toOciResources(limits, 1, true)).toEqual({ ...(oci === null ? {} : { memory: oci }), ...CPU_OCI });
    const withoutSwap = oci === null ? {} : { memory: { limit: oci.limit } };
    expect(toOciResources(limits, 1, false)).toEqual({ ...withoutSwap, ...CPU_OCI });
    expect(toDockerLimits(limits, 1)).toEqual({ ...docker, ...CPU_DOCKER });
  });
});

describe('limits', () => {
  it('take ceiling and swap from the function before the factors of the worker', () => {
    const factors = { memory: { growFactor: 1.5, swapFactor: 0.25 } };
    const grow = { memoryPolicy: 'grow' as const };
    expect(limitsOf(grow, factors).memoryBytes).toBe(150 * MIB);
    expect(limitsOf({ ...grow, memoryCeilingMb: 130 }, factors).memoryBytes).toBe(130 * MIB);
    const swap = { memoryPolicy: 'swap' as const };
    expect(limitsOf(swap, factors).swapBytes).toBe(25 * MIB);
    expect(limitsOf({ ...swap, swapMb: 0 }, factors).swapBytes).toBe(0);
  });

  it('hold the CPU by quota, shares or not at all, and to cores', () => {
    const cpuOf = (more: Partial<FunctionDefinitionInput>, config: WorkerConfigInput = {}) => {
      const limits = limitsOf({ cpus: 1.5, ...more }, config);
      const docker = toDockerLimits(limits, 0);
      const { memory: _memory, pids: _pids, ...oci } = toOciResources(limits, 0, true);
      return {
        v1: Object.entries(written(1, limits)).filter(([file]) => file.startsWith('cpu')),
        oci: oci.cpu ?? null,
        docker: [docker.CpuPeriod, docker.CpuQuota, docker.CpuShares, docker.CpusetCpus],
      };
    };
    const period = ['cpu.cfs_period_us', '100000'];
    expect(cpuOf({})).toEqual({
      v1: [period, ['cpu.cfs_quota_us', '150000']],
      oci: { period: 100_000, quota: 150_000 },
      docker: [100_000, 150_000, 0, ''],
    });
    const shares = {
      v1: [period, ['cpu.cfs_quota_us', '-1'], ['cpu.shares', '1536']],
      oci: { shares: 1536 },
      docker: [0, 0, 1536, ''],
    };
    expect(cpuOf({ cpuEnforce: 'shares' })).toEqual(shares);
    expect(cpuOf({}, { cpu: { enforce: 'shares' } })).toEqual(shares);
    expect(cpuOf({ cpuEnforce: 'none', cpuset: '0-1' }, { cpu: { enforce: 'shares' } })).toEqual({
      v1: [period, ['cpu.cfs_quota_us', '-1']],
      oci: { cpus: '0-1' },
      docker: [0, 0, 0, '0-1'],
    });
  });

  it('ask runtimes for the quota that the cgroup module writes', () => {
    fc.assert(
      fc.property(fc.double({ min: 0.01, max: 1024, noNaN: true }), (cpus) => {
        const [quota] = (written(2, limitsOf({ cpus }))['cpu.max'] as string).split(' ');
        expect(Number(quota)).toBe(quotaUs(cpus));
      }),
      { numRuns: 100 },
    );
  });

  it('that cannot be kept are refused in words', () => {
    const fault = (more: Partial<FunctionDefinitionInput>): string | null => {
      const definition = functionDefinitionSchema.parse({ name: 'f', source: '/f', ...more });
      return limitsFault(definition, workerConfigSchema.parse({ limits: { memoryMaxMb: 1000, cpusMax: 3 } }), [0, 1]);
    };
    expect(fault({ cpuset: '0-1', cpus: 2, memoryCeilingMb: 1000 })).toBe(null);
    expect(fault({ memoryMb: 2000 })).toContain('outside 1–1000');
    expect(fault({ memoryCeilingMb: 64 })).toContain('below memoryMb 128');
    expect(fault({ memoryCeilingMb: 1001 })).toContain('above 1000');
    expect(fault({ cpus: 4 })).toContain('above 3');
    expect(fault({ cpuset: '1-0' })).toContain('names no cores');
    expect(fault({ cpuset: '0-99999' })).toContain('names no cores');
    expect(fault({ cpuset: '1,3-4' })).toContain('no core 3, 4');
    expect(fault({ cpuset: '1', cpus: 1.5 })).toContain('fewer than cpus 1.5');
    expect(() => fault({ cpuset: 'all' })).toThrow('0-1,4');
  });

  it('say what the machine cannot give', () => {
    const layout = { memory: true, swapLimits: true };
    const notes = (policy: 'kill' | 'swap' | 'none', over: Partial<typeof layout>, hasSwap: boolean): string =>
      memoryPolicyNotes(policy, { ...layout, ...over }, hasSwap).join('\n');
    expect(notes('swap', {}, true)).toBe('');
    expect(notes('swap', {}, false)).toContain('no swap');
    expect(notes('swap', { swapLimits: false }, true)).toContain('does not count swap');
    expect(notes('kill', {}, false)).toBe('');
    expect(notes('kill', { memory: false }, false)).toContain('no cgroup');
    expect(notes('none', { memory: false }, false)).toBe('');
  });
});

describe('sets of cores', () => {
  it('are read as the kernel writes them', () => {
    expect(coresOf('0-3,8,10-11\n')).toEqual([0, 1, 2, 3, 8, 10, 11]);
    expect(coresOf('2,1,2')).toEqual([1, 2]);
    expect(coresOf('3-1')).toEqual([]);
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(500), { minLength: 1 }), (cores) => {
        const sorted = [...cores].sort((a, b) => a - b);
        expect(coresOf(cores.join(','))).toEqual(sorted);
        expect(coresOf(`${sorted[0]}-${sorted.at(-1)}`)).toHaveLength(
          (sorted.at(-1) as number) - (sorted[0] as number) + 1,
        );
      }),
    );
  });
});

describe('a meter of runs', () => {
  const layoutOf = (version: 1 | 2): CgroupLayout => ({
    parents: [root],
    versions: [version],
    cpu: 0,
    cpuTime: 0,
    memoryIndex: 0,
    memory: true,
    pids: true,
    swapLimits: true,
    cpuset: null,
    notes: [],
  });
  let now = 0;
  const meter = (version: 1 | 2, definition: Partial<FunctionDefinitionInput>, cores = 2, cpuTime = false) =>
    runMeterFor(layoutOf(version), [root], limitsOf(definition), cores, cpuTime, () => now);
  const put = (file: string, text: string): void => writeFileSync(join(root, file), text);

  it('is not made where there is nothing to ask', () => {
    expect(meter(1, { cpus: 2 })).toBe(null);
    expect(meter(1, { cpuEnforce: 'none', memoryPolicy: 'swap' })).toBe(null);
    expect(meter(1, { cpuset: '0', cpus: 1 })).toBe(null);
    expect(meter(1, { cpus: 1 })).not.toBe(null);
    expect(runMeterFor(layoutOf(1), [], limitsOf({ memoryPolicy: 'grow' }), 2, true)).toBe(null);
  });

  it.each([
    [1, (us: number) => `nr_throttled 1\nthrottled_time ${us * 1000}\n`],
    [2, (us: number) => `usage_usec 1\nthrottled_usec ${us}\n`],
  ] as const)('reads throttled time after runs that can have used up the quota, version %d', (version, text) => {
    const runs = meter(version, { cpus: 0.5 });
    // 50 ms of two cores: 25 ms. While there is no file, a read would be an open that fails; one that is there is opened by the first that is long enough.
    put('cpu.stat', text(40_000));
    expect(runs?.ended(1, 24_999).throttledUs).toBe(0);
    expect(runs?.ended(1, 25_000).throttledUs).toBe(40_000);
    put('cpu.stat', text(90_000));
    expect(runs?.ended(1, 24_999).throttledUs).toBe(0);
    expect(runs?.ended(1, 30_000).throttledUs).toBe(50_000);
    expect(runs?.ended(1, 30_000).throttledUs).toBe(0);
    // A run on two cores cannot have been held back for longer than twice its own length.
    put('cpu.stat', text(1_090_000));
    expect(runs?.ended(1, 30_000).throttledUs).toBe(60_000);
    runs?.close();
    rmSync(join(root, 'cpu.stat'));
    expect(runs?.ended(1, 30_000).throttledUs).toBe(0);
  });

  it.each([
    [1, 'memory.max_usage_in_bytes', 'memory.usage_in_bytes', 'total_cache', 'total_shmem'],
    [2, 'memory.peak', 'memory.current', 'file', 'shmem'],
  ] as const)(
    'finds what has outgrown its memory, page cache apart, version %d',
    (version, peak, current, cache, shared) => {
      put(peak, '0\n');
      const runs = meter(version, { cpuEnforce: 'none', memoryPolicy: 'grow' });
      const use = (peakMb: number, currentMb: number, cacheMb: number, sharedMb: number): number => {
        put(peak, `${peakMb * MIB}\n`);
        put(current, `${currentMb * MIB}\n`);
        put('memory.stat', `${cache} ${(cacheMb + sharedMb) * MIB}\n${shared} ${sharedMb * MIB}\n`);
        return runs?.ended(1, 10).overMb ?? Number.NaN;
      };
      // Longer than any room that is left takes to fill.
      const later = (): void => {
        now += 10;
      };
      expect(use(60, 60, 0, 0)).toBe(0);
      // At once after a reading nothing is read: that much cannot have been filled since.
      expect(use(150, 150, 0, 0)).toBe(0);
      later();
      expect(use(150, 150, 80, 0)).toBe(0);
      later();
      expect(use(150, 150, 0, 80)).toBe(150);
      expect(use(150, 60, 10, 0)).toBe(140);
      runs?.close();
      rmSync(join(root, peak));
      // The group is gone, and what it held.
      expect(runs?.ended(1, 10).overMb).toBe(0);
    },
  );

  it.each([
    [1, 'cpuacct.usage', (us: number) => `${us * 1000}\n`],
    [2, 'cpu.stat', (us: number) => `usage_usec ${us}\nuser_usec 1\n`],
  ] as const)('divides the CPU time of runs at once by their overlap, version %d', (version, file, text) => {
    const used = (us: number): void => put(file, text(us));
    const runs = meter(version, { cpus: 2 }, 2, true);
    used(5000);
    runs?.began(1);
    used(6000);
    // What it used before is not the run's.
    expect(runs?.cpuUs(1)).toBe(1000);
    runs?.began(2);
    used(8000);
    expect([runs?.cpuUs(1), runs?.cpuUs(2)]).toEqual([2000, 1000]);
    expect(runs?.ended(1, 10)).toEqual({ throttledUs: 0, overMb: 0, cpuUs: 2000 });
    used(9000);
    expect(runs?.ended(2, 10).cpuUs).toBe(2000);
    // Nobody's.
    used(50_000);
    runs?.began(3);
    used(50_001);
    expect(runs?.ended(3, 10).cpuUs).toBe(1);
    expect(runs?.cpuUs(4)).toBe(null);
    runs?.close();
    expect(runs?.ended(4, 10).cpuUs).toBe(null);
  });

  it('says nothing of CPU time that cannot be read', () => {
    const runs = meter(1, { cpus: 2 }, 2, true);
    rmSync(join(root, 'cpuacct.usage'), { force: true });
    runs?.began(1);
    expect(runs?.ended(1, 10).cpuUs).toBe(null);
  });
});
