import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADD, MEMORY, SPIN } from './functions.js';
import { GuestWorker } from './guest-worker.js';
import type { Machine } from './machine.js';

/** What test/worker/limits.test.ts promises on the cgroups of the host, on a machine that has version 2 alone, and swap. */

const MIB = 1024 * 1024;

/**
 * One task that waits for memory nearly all the time, because it goes through more than its cgroup may hold. With that of the whole machine used up, which is what an operator fears, the test was decided by a few
 * MiB: a little less and nothing waited, a little more and the OOM killer came.
 */
const STALL = `systemd-run --quiet --unit=stall -p MemoryHigh=16M -p RuntimeMaxSec=300 python3 -c '
block = bytearray(64 << 20)
while True:
    for at in range(0, len(block), 4096):
        block[at] = 1
'`;

export function limitsOnCgroupV2(machineOf: () => Machine): void {
  describe('a worker on cgroup v2', () => {
    let machine: Machine;
    let worker: GuestWorker;

    beforeAll(async () => {
      machine = machineOf();
      worker = await GuestWorker.install(machine, 'limits', {
        // Only what tasks wait for memory makes the machine short of it, not what is available.
        memory: { sampleMs: 50, pressure: { availableLow: 0, availableHigh: 0 } },
      });
    });
    afterAll(async () => await worker?.remove());

    it('has everything that doctor looks for in a kernel', async () => {
      const { code, stdout } = await machine.run('iluvatar doctor --json');
      const { findings } = JSON.parse(stdout) as { findings: { group: string; item: string; state: string }[] };
      const kernel = findings.filter(({ group }) => ['machine', 'cgroups', 'sandbox', 'network'].includes(group));
      expect(kernel.length).toBeGreaterThan(15);
      expect(kernel.filter(({ state }) => state !== 'ok')).toEqual([]);
      expect(code).toBe(0);
    });

    it('runs Python and Node', async () => {
      const answers = await worker.evaluate(
        async ({ client, register }, { MEMORY, ADD }) => {
          await register('python', MEMORY);
          await register('node', ADD);
          const python = [await client.invoke('python', { mb: 1 }), await client.invoke('python', { mb: 2 })];
          const node = [await client.invoke('node', { a: 1, b: 2 }), await client.invoke('node', { a: 3, b: 4 })];
          for (const name of ['python', 'node']) await client.unregister(name);
          return [...python, ...node].map(({ result, containerState }) => ({ result, containerState }));
        },
        { MEMORY, ADD },
      );
      expect(answers).toMatchObject([
        { containerState: 'cold', result: { mb: 1 } },
        { containerState: 'warm', result: { mb: 2 } },
        { containerState: 'cold', result: { sum: 3 } },
        { containerState: 'warm', result: { sum: 7 } },
      ]);
    });

    it('containers are born in their cgroup: no process is moved into one', async () => {
      const tracing = '/sys/kernel/tracing';
      const event = `${tracing}/events/cgroup/cgroup_attach_task`;
      await machine.output(`echo > ${tracing}/trace && echo 1 > ${event}/enable`);
      const pids = await worker.evaluate(async ({ client, register, settings }, files) => {
        await register('born', files);
        await client.prewarm('born', { count: 3 });
        const inside = settings('cgroup.procs').join('\n').split('\n').filter(Boolean);
        await client.unregister('born');
        return inside;
      }, MEMORY);
      // A supervisor and an agent each.
      expect(pids.length).toBeGreaterThanOrEqual(6);
      // That moves are seen at all: this one is made by the shell.
      const probe = '/sys/fs/cgroup/probe';
      await machine.output(
        `mkdir ${probe}; echo $$ > ${probe}/cgroup.procs; echo $$ > /sys/fs/cgroup/cgroup.procs; rmdir ${probe}`,
      );
      const moves = await machine.output(`echo 0 > ${event}/enable; grep dst_path ${tracing}/trace`);
      expect(moves).toContain('dst_path=/probe');
      expect(moves.split('\n').filter((line) => line.includes('dst_path=/iluvatar'))).toEqual([]);
    });

    it('kill: over its memory it is answered out_of_memory, with limit, peak and the kernel’s counters', async () => {
      const { error, again, limits } = await worker.evaluate(async ({ client, register, failure, settings }, files) => {
        await register('hoarder', files, { memoryMb: 48 });
        await client.invoke('hoarder', { mb: 1 });
        const limits = settings('memory.max').map((max, index) => `${max} ${settings('memory.swap.max')[index]}`);
        const error = await failure(client.invoke('hoarder', { mb: 200 }));
        const again = (await client.invoke('hoarder', { mb: 1 })).containerState;
        await client.unregister('hoarder');
        return { error, again, limits };
      }, MEMORY);
      expect(limits).toContain(`${48 * MIB} 0`);
      expect(error.errorClass).toBe('out_of_memory');
      expect(error.evidence).toMatchObject({ limitBytes: 48 * MIB, oomKills: 1 });
      expect(error.evidence['peakBytes']).toBeGreaterThan(40 * MIB);
      expect(error.evidence['limitHits']).toBeGreaterThan(0);
      expect(again).toBe('cold');
    });

    it('grow: over its memory it finishes and is replaced; over its ceiling as kill', async () => {
      const { answers, outgrown, memory, error } = await worker.evaluate(
        async ({ client, register, failure, until }, files) => {
          await register('grows', files, { memoryMb: 64, memoryPolicy: 'grow', memoryCeilingMb: 160 });
          const count = async (): Promise<number> => (await client.status()).counters['containersOutgrown'] ?? 0;
          const before = await count();
          const answers: (string | undefined)[] = [];
          for (const args of [{ mb: 5 }, { mb: 5 }, { mb: 90, keep: true }, { mb: 5 }]) {
            answers.push((await client.invoke('grows', args)).containerState);
          }
          await until('no overshoot', async () => (await client.status()).memory.overshootMb === 0);
          const { memory } = await client.status();
          const outgrown = (await count()) - before;
          const error = await failure(client.invoke('grows', { mb: 250 }));
          await client.unregister('grows');
          return { answers, outgrown, memory, error };
        },
        MEMORY,
      );
      expect(answers).toEqual(['cold', 'warm', 'warm', 'cold']);
      expect(outgrown).toBe(1);
      expect(memory.runningMb + memory.cachedMb).toBe(memory.totalMb);
      expect(error.errorClass).toBe('out_of_memory');
      expect(error.evidence).toMatchObject({ limitBytes: 160 * MIB, oomKills: 1 });
    });

    it('swap: what does not fit into its memory is swapped out; over both as kill', async () => {
      const { lines, answer, swapped, peaks, error, limits } = await worker.evaluate(
        async ({ client, register, failure, settings }, files) => {
          const lines = await register('swaps', files, { memoryMb: 48, memoryPolicy: 'swap', swapMb: 64 });
          const answer = (await client.invoke('swaps', { mb: 80, keep: true })).result;
          const swapped = Math.max(...settings('memory.swap.current').map(Number));
          const limits = settings('memory.swap.max');
          const peaks = settings('memory.peak').map(Number);
          const error = await failure(client.invoke('swaps', { mb: 150 }));
          await client.unregister('swaps');
          return { lines, answer, swapped, peaks, error, limits };
        },
        MEMORY,
      );
      expect(lines.join('\n')).not.toContain('swap');
      expect(answer).toMatchObject({ mb: 80 });
      expect(swapped).toBeGreaterThan(20 * MIB);
      expect(limits).toContain(`${64 * MIB}`);
      expect(Math.max(...peaks)).toBeLessThanOrEqual(64 * MIB);
      expect(error.errorClass).toBe('out_of_memory');
      expect(error.evidence).toMatchObject({ limitBytes: 48 * MIB, oomKills: 1 });
    });

    it('swap: on a machine without, its memory is a hard limit, and registration says so', async () => {
      await machine.output('swapoff /dev/nvme0n3');
      try {
        const { lines, error } = await worker.evaluate(async ({ client, register, failure }, files) => {
          const lines = await register('swapless', files, { memoryMb: 48, memoryPolicy: 'swap', swapMb: 64 });
          const error = await failure(client.invoke('swapless', { mb: 80 }));
          await client.unregister('swapless');
          return { lines, error };
        }, MEMORY);
        expect(lines.join('\n')).toContain('this machine has no swap');
        expect(error.errorClass).toBe('out_of_memory');
      } finally {
        await machine.output('swapon /dev/nvme0n3');
      }
    });

    it('none: it has what it asks for, and while tasks stall for memory, idle containers go', async () => {
      const { limits, answer, before, stalledBefore } = await worker.evaluate(
        async ({ client, register, settings, pressure }, files) => {
          await register('limited', files, { memoryMb: 64 });
          await register('unlimited', files, { memoryMb: 64, memoryPolicy: 'none' });
          await client.prewarm('limited', { count: 2 });
          const answer = (await client.invoke('unlimited', { mb: 256 })).result;
          const limits = settings('memory.max');
          return { limits, answer, before: (await client.status()).counters, stalledBefore: pressure() };
        },
        MEMORY,
      );
      expect(limits).toContain('max');
      expect(answer).toMatchObject({ mb: 256 });
      expect(before['containersRelieved'] ?? 0).toBe(0);
      await machine.output(STALL);
      try {
        const { relieved, stalled } = await worker.evaluate(async ({ client, until, pressure }) => {
          const relieved = async () => (await client.status()).counters['containersRelieved'] ?? 0;
          await until('containers were relieved', async () => (await relieved()) > 0);
          return { relieved: await relieved(), stalled: pressure() };
        });
        expect(relieved).toBeGreaterThan(0);
        expect(stalled).toBeGreaterThan(stalledBefore);
      } finally {
        await machine.output('systemctl stop stall');
        await worker.evaluate(async ({ client }) => {
          for (const name of ['limited', 'unlimited']) await client.unregister(name);
        });
      }
    });

    it('a quota is written and what it held back is reported; shares weigh instead', async () => {
      const { quick, slow, metrics, quotas, weighed, weights } = await worker.evaluate(
        async ({ client, register, settings }, files) => {
          await register('spins', files, { cpus: 0.1 });
          const quick = (await client.invoke('spins')).phases.throttledUs;
          const slow = (await client.invoke('spins', { seconds: 1, spinners: 2 })).phases.throttledUs;
          const quotas = settings('cpu.max');
          const metrics = await client.metrics();
          await register('weighs', files, { cpus: 1.5, cpuEnforce: 'shares' });
          const weighed = (await client.invoke('weighs', { seconds: 0.5, spinners: 2 })).phases.throttledUs;
          const weights = settings('cpu.weight');
          for (const name of ['spins', 'weighs']) await client.unregister(name);
          return { quick, slow, metrics, quotas, weighed, weights };
        },
        SPIN,
      );
      expect(quotas).toContain('10000 100000');
      // An emulated processor may need longer for a call than its quota: only that more work is held back more.
      expect(slow).toBeGreaterThan(Math.max(quick, 10_000));
      expect(metrics).toMatch(/^iluvatar_invocation_throttled_seconds_total\{function="spins",version="1"\} 0*[1-9.]/m);
      expect(weighed).toBe(0);
      expect(weights).toContain('150');
    });

    it('a cpuset holds a container to its cores, and goes with it', async () => {
      const { cores, sets, left } = await worker.evaluate(async ({ client, register, settings, until }, files) => {
        await register('pinned', files, { cpuset: '1' });
        const cores = (await client.invoke('pinned', { spinners: 1 })).result;
        const sets = settings('cpuset.cpus');
        await client.unregister('pinned');
        await client.clean();
        await until('the pinned cgroup went', () => !settings('cpuset.cpus').includes('1'));
        return { cores, sets, left: settings('cpuset.cpus') };
      }, SPIN);
      expect(cores).toEqual([1]);
      expect(sets.filter((set) => set === '1')).toHaveLength(1);
      expect(left).not.toContain('1');
    });

    it('keeps its limits when systemd reloads, and leaves nothing when it is stopped', async () => {
      const limits = await worker.evaluate(async ({ client, register }, files) => {
        await register('stays', files, { memoryMb: 48 });
        await client.invoke('stays', { mb: 1 });
        return (await client.list()).length;
      }, MEMORY);
      expect(limits).toBe(1);
      const read = 'cat /sys/fs/cgroup/iluvatar/limits/*/memory.max';
      const before = await machine.output(read);
      expect(before.split('\n')).toContain(`${48 * MIB}`);
      await machine.output('systemctl daemon-reload && systemctl restart systemd-journald');
      expect((await machine.output(read)).split('\n')).toContain(`${48 * MIB}`);
      expect(
        await worker.evaluate(async ({ client }) => (await client.invoke('stays', { mb: 1 })).containerState),
      ).toBe('warm');
      expect(await worker.leftovers()).toContain('cgroup /sys/fs/cgroup/iluvatar/limits');
      await worker.stop();
      expect(await worker.leftovers()).toEqual([]);
    });
  });
}
