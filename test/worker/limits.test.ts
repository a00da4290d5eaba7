import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from '../../src/index.js';
import { native } from '../../src/native.js';
import { MEMORY, SPIN } from '../support/greedy-functions.js';
import { describeWith } from '../support/requirement.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

/** Limits as a caller meets them, through the whole worker, on the cgroups that this machine has. */

const NAME = `test-limits-${process.pid}`;

const READ = `import os

def main(args):
    with open("/function/data.bin", "rb", buffering=0) as file:
        # Read from the disk, so that the pages are this container's.
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while file.read(1 << 20):
            pass
    return "read"
`;

/** The setting of every container of this worker in the one hierarchy that has the file. */
function settings(worker: string, file: string): string[] {
  const found: string[] = [];
  for (const { path } of native().cgroup.mounts()) {
    const parent = join(path, 'iluvatar', worker);
    for (const name of entries(parent)) {
      try {
        found.push(readFileSync(join(parent, name, file), 'utf8').trim());
      } catch {
        // Another controller's hierarchy.
      }
    }
  }
  return found;
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
  } catch {
    return [];
  }
}

describeWith({ root: true, cgroups: true, command: 'python3' }, 'limits of a worker', () => {
  let fixture: WorkerFixture;

  beforeAll(async () => {
    fixture = await WorkerFixture.start({ name: NAME, memory: { sampleMs: 20 } });
  });
  afterAll(async () => await fixture?.[Symbol.asyncDispose]());

  const counter = async (name: string): Promise<number> => (await fixture.worker.status()).counters[name] ?? 0;

  async function evenBooks(): Promise<void> {
    const { memory } = await fixture.worker.status();
    expect(memory.runningMb + memory.cachedMb).toBe(memory.totalMb);
  }

  it('grow: an invocation over its memory finishes, and the next one has a new container', async () => {
    const { worker } = fixture;
    await fixture.python('grows', MEMORY, { memoryMb: 64, memoryPolicy: 'grow', memoryCeilingMb: 256 });
    expect((await worker.invoke('grows', { mb: 5 })).containerState).toBe('cold');
    expect((await worker.invoke('grows', { mb: 5 })).containerState).toBe('warm');
    const before = await counter('containersOutgrown');
    expect((await worker.invoke('grows', { mb: 100, keep: true })).result).toMatchObject({ mb: 100 });
    expect((await worker.invoke('grows', { mb: 5 })).containerState).toBe('cold');
    expect(await counter('containersOutgrown')).toBe(before + 1);
    // Given back before its end: what counts is what it held.
    expect((await worker.invoke('grows', { mb: 100 })).containerState).toBe('warm');
    expect((await worker.invoke('grows', { mb: 5 })).containerState).toBe('cold');
    expect(await counter('containersOutgrown')).toBe(before + 2);
    await evenBooks();
    await expect.poll(async () => (await worker.status()).memory.overshootMb).toBe(0);
    await worker.unregister('grows');
  });

  it('grow: many small steps are noticed too', async () => {
    const { worker } = fixture;
    await fixture.python('steps', MEMORY, { memoryMb: 64, memoryPolicy: 'grow' });
    const states: string[] = [];
    for (let i = 0; i < 40; i++) states.push((await worker.invoke('steps', { mb: 2, keep: true })).containerState);
    // 40 steps of 2 MiB do not fit into 64 MiB beside the interpreter, and 15 do.
    expect(states.slice(0, 15).filter((state) => state === 'cold')).toHaveLength(1);
    expect(states.filter((state) => state === 'cold').length).toBeGreaterThan(1);
    await worker.unregister('steps');
  });

  it('grow: over its ceiling it is answered out_of_memory, with limit, peak and the kernel’s counter', async () => {
    const { worker } = fixture;
    await fixture.python('ceiling', MEMORY, { memoryMb: 32, memoryPolicy: 'grow', memoryCeilingMb: 80 });
    const error = await rejection(worker.invoke('ceiling', { mb: 120 }));
    expect(error.errorClass).toBe('out_of_memory');
    expect(error.message).toContain('80 MiB');
    const evidence = error.details.evidence as Record<string, number>;
    expect(evidence).toMatchObject({ limitBytes: 80 << 20, oomKills: 1 });
    expect(evidence['peakBytes']).toBeGreaterThan(70 << 20);
    expect(evidence['limitHits']).toBeGreaterThan(0);
    expect((await worker.invoke('ceiling')).containerState).toBe('cold');
    await evenBooks();
    await worker.unregister('ceiling');
  });

  it('page cache is told apart, and does not make a container outgrow its memory', async () => {
    const { worker } = fixture;
    const source = fixture.source('reads', { 'main.py': READ, 'data.bin': '' });
    truncateSync(join(source, 'data.bin'), 100 << 20);
    await worker.register({ name: 'reads', source, memoryMb: 64, memoryPolicy: 'grow', memoryCeilingMb: 512 });
    // Only pages that are on the disk can be dropped from the cache.
    execFileSync('sync', ['-f', fixture.folder]);
    for (let i = 0; i < 3; i++) expect((await worker.invoke('reads')).result).toBe('read');
    expect((await worker.invoke('reads')).containerState).toBe('warm');
    const peaks = [...settings(NAME, 'memory.max_usage_in_bytes'), ...settings(NAME, 'memory.peak')].map(Number);
    expect(Math.max(...peaks)).toBeGreaterThan(64 << 20);
    const described = async () => (await worker.list()).find(({ name }) => name === 'reads')?.characteristics;
    await expect.poll(async () => (await described())?.memoryMb ?? 0).toBeGreaterThan(1);
    expect((await described())?.memoryMb).toBeLessThan(64);
    // An average, in which readings from the middle of the first run may be.
    expect((await described())?.pageCacheMb).toBeGreaterThan(20);
    await worker.unregister('reads');
  });

  it('swap: RAM is limited to the memory, and RAM and swap together to both', async () => {
    const { worker } = fixture;
    const lines: string[] = [];
    const source = fixture.source('swaps', { 'main.py': MEMORY });
    await worker.register(
      { name: 'swaps', source, memoryMb: 48, memoryPolicy: 'swap', swapMb: 24 },
      { progress: (line) => lines.push(line) },
    );
    expect((await worker.invoke('swaps', { mb: 5 })).result).toMatchObject({ mb: 5 });
    const swap = [
      ...settings(NAME, 'memory.memsw.limit_in_bytes').map((bytes) => Number(bytes) - (48 << 20)),
      ...settings(NAME, 'memory.swap.max').map(Number),
    ];
    const hasSwap = /^SwapTotal:\s+[1-9]/m.test(readFileSync('/proc/meminfo', 'utf8'));
    if (swap.length > 0) expect(swap).toContain(24 << 20);
    if (!hasSwap) expect(lines.join('\n')).toContain('this machine has no swap');
    const error = await rejection(worker.invoke('swaps', { mb: 150 }));
    expect(error.errorClass).toBe('out_of_memory');
    expect(error.details.evidence).toMatchObject({ limitBytes: 48 << 20 });
    await worker.unregister('swaps');
  });

  it('none: it has what it asks for, is measured, and keeps its container', async () => {
    const { worker } = fixture;
    await fixture.python('unlimited', MEMORY, { memoryMb: 32, memoryPolicy: 'none' });
    const first = await worker.invoke<{ pid: number }>('unlimited', { mb: 200, keep: true });
    const second = await worker.invoke<{ pid: number }>('unlimited');
    expect(second).toMatchObject({ containerState: 'warm', result: { pid: first.result.pid } });
    // An average, which readings from the beginning of the first run may hold down until others follow.
    const measured = async (): Promise<number> => {
      await worker.invoke('unlimited');
      return (await worker.list()).find(({ name }) => name === 'unlimited')?.characteristics.memoryMb ?? 0;
    };
    await expect.poll(measured).toBeGreaterThan(64);
    const { memory } = await worker.status();
    expect(memory.overshootMb).toBe(0);
    await worker.unregister('unlimited');
  });

  it('neighbours of one that runs out of memory again and again do not notice', async () => {
    const { worker } = fixture;
    await fixture.python('neighbour', MEMORY, { memoryMb: 64, maxContainers: 1 });
    await fixture.python('hoarder', MEMORY, { memoryMb: 48 });
    const { pid } = (await worker.invoke<{ pid: number }>('neighbour', { mb: 8, keep: true })).result;
    const kills = (async () => {
      for (let i = 0; i < 8; i++) {
        const error = await rejection(worker.invoke('hoarder', { mb: 200 }));
        expect(error.errorClass).toBe('out_of_memory');
      }
      return 'done';
    })();
    let answers = 0;
    for (;;) {
      const answer = await worker.invoke<{ pid: number }>('neighbour', { mb: 1 });
      expect(answer).toMatchObject({ containerState: 'warm', result: { pid, mb: 1 } });
      answers++;
      if ((await Promise.race([kills, pause(5).then(() => 'going on')])) === 'done') break;
    }
    expect(answers).toBeGreaterThan(8);
    for (const name of ['neighbour', 'hoarder']) await worker.unregister(name);
  });

  it('a quota that was used up is reported, on every edge and in the metrics', async () => {
    const { worker } = fixture;
    await fixture.python('spins', SPIN, { cpus: 0.1 });
    const quick = await worker.invoke('spins');
    expect(quick.phases.throttledUs).toBe(0);
    const { phases } = await worker.invoke('spins', { seconds: 0.5, spinners: 2 });
    expect(phases.throttledUs).toBeGreaterThan(10_000);
    await using client = await connect(worker.socketPath);
    const over = await client.invoke('spins', { seconds: 0.5, spinners: 2 });
    expect(over.phases.throttledUs).toBeGreaterThan(10_000);
    const post = async (args: object): Promise<string | null> => {
      const url = `${worker.httpUrl}/functions/spins/1/invoke`;
      const response = await fetch(url, { method: 'POST', body: JSON.stringify(args) });
      expect(response.status).toBe(200);
      return response.headers.get('x-iluvatar-throttled-us');
    };
    expect(Number(await post({ seconds: 0.5, spinners: 2 }))).toBeGreaterThan(10_000);
    expect(await post({})).toBe(null);
    const line = /^iluvatar_invocation_throttled_seconds_total\{function="spins",version="1"\} (\S+)$/m;
    const metrics = await (await fetch(`${worker.httpUrl}/metrics`)).text();
    expect(Number(line.exec(metrics)?.[1])).toBeGreaterThan(0.03);
    await worker.unregister('spins');
  });

  it('shares weigh instead of a quota, for one function or all of a worker', async () => {
    const { worker } = fixture;
    await fixture.python('weighs', SPIN, { cpus: 1.5, cpuEnforce: 'shares' });
    const { phases } = await worker.invoke('weighs', { seconds: 0.3, spinners: 2 });
    expect(phases.throttledUs).toBe(0);
    const weights = [...settings(NAME, 'cpu.shares'), ...settings(NAME, 'cpu.weight')];
    expect(weights.some((weight) => weight === '1536' || weight === '150')).toBe(true);
    await worker.unregister('weighs');
  });

  it('a cpuset holds a container to its cores, and goes with it', async () => {
    const { worker } = fixture;
    const last = Number(/(\d+)\s*$/.exec(readFileSync('/sys/devices/system/cpu/online', 'utf8'))?.[1]);
    await fixture.python('pinned', SPIN, { cpuset: `${last}` });
    expect((await worker.invoke('pinned', { spinners: 1 })).result).toEqual([last]);
    await fixture.python('free', SPIN);
    expect((await worker.invoke<number[]>('free')).result.length).toBeGreaterThanOrEqual(1);
    const pinned = (): string[] => settings(NAME, 'cpuset.cpus').filter((cores) => cores === `${last}`);
    expect(pinned()).toEqual([`${last}`]);
    await worker.unregister('pinned');
    await worker.clean();
    await expect.poll(pinned).toEqual([]);
    for (const cpuset of [`${last + 1}`, '1-0', `0-${last}-1`]) {
      const error = await rejection(fixture.python('wrong', SPIN, { cpuset }));
      expect(error.errorClass).toBe('invalid');
    }
    const tooFew = await rejection(fixture.python('wrong', SPIN, { cpuset: '0', cpus: 2 }));
    expect(tooFew.message).toContain('fewer than cpus 2');
    await worker.unregister('free');
  });
});

describeWith({ root: true, cgroups: true, command: 'python3' }, 'a worker on a host that is short of memory', () => {
  it('evicts idle containers until it no longer is, if a function of it may use as much as it likes', async () => {
    // Every host is short of memory that must have all of it available.
    const pressure = { checkMs: 20, availableLow: 100, availableHigh: 100 };
    const memory = { policy: 'none' as const, pressure };
    await using fixture = await WorkerFixture.start({ memory, http: { enabled: false } });
    const { worker } = fixture;
    await fixture.python('limited', MEMORY, { memoryMb: 64, memoryPolicy: 'kill' });
    await worker.prewarm('limited', { count: 3 });
    await pause(200);
    expect((await worker.status()).memory.cachedContainers).toBe(3);
    await fixture.python('unlimited', MEMORY, { memoryMb: 64 });
    await expect.poll(async () => (await worker.status()).memory.totalMb).toBe(0);
    expect((await worker.status()).counters).toMatchObject({ containersEvicted: 3, containersRelieved: 3 });
    // What runs is let be.
    expect((await worker.invoke('unlimited', { mb: 100 })).result).toMatchObject({ mb: 100 });
    await expect.poll(async () => (await worker.status()).memory.totalMb).toBe(0);
  });
});
