import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADD, MEMORY, SLOW } from './functions.js';
import { GuestWorker } from './guest-worker.js';
import type { Machine } from './machine.js';

/** The unit that `install-service` writes, with all its protections, under a systemd that is pid 1: through reloads, a hang and a power cut to its end. */

const CONFIG = {
  http: { enabled: false },
  memory: { budgetMb: 600 },
  network: { nat: true, forwarding: 'enable' },
  // Emulated, a process takes long to start.
  daemon: { upgrade: { readyMs: 300_000 } },
} as const;
const RESTART_MS = 300_000;

export function workerAsService(machineOf: () => Machine): void {
  describe('a worker as a service', () => {
    let machine: Machine;
    let worker: GuestWorker;
    let accepted: string[] = [];

    beforeAll(async () => {
      machine = machineOf();
      // Loads what it needs from the disk, so that the worker does not wait for that: emulated it takes longer than it gives `nft`.
      await machine.output('nft list ruleset');
      worker = await GuestWorker.installService(machine, 'served', CONFIG);
    });
    afterAll(async () => await worker?.remove());

    const budget = (): Promise<number> =>
      worker.evaluate(async ({ client }) => (await client.status()).memory.budgetMb);

    it('runs functions of both runtimes, with networks, behind the protections of its unit', async () => {
      const { results, health, counters } = await worker.evaluate(
        async ({ client, register }, { MEMORY, ADD, SLOW }) => {
          await register('python', MEMORY, { network: 'bridge' });
          await register('node', ADD);
          await register('slow', SLOW);
          const answers = [await client.invoke('python', { mb: 8 }), await client.invoke('node', { a: 2, b: 3 })];
          const { counters } = await client.status();
          return { results: answers.map(({ result }) => result), health: await client.health(), counters };
        },
        { MEMORY, ADD, SLOW },
      );
      expect(results).toMatchObject([{ mb: 8 }, { sum: 5 }]);
      expect(counters).toMatchObject({ cold: 2, succeeded: 2 });
      expect(health).toMatchObject({ healthy: true, notes: [] });
      expect(await worker.property('ActiveState')).toBe('active');
      expect(await worker.property('StatusText')).not.toBe('');
    });

    it('takes on what changes at once with `systemctl reload`, and refuses a broken file', async () => {
      await worker.configure({ ...CONFIG, memory: { budgetMb: 500 } });
      await machine.output(`systemctl reload ${worker.unit}`);
      expect(await budget()).toBe(500);
      await machine.write(worker.configFile, '{ "memory": { "budgetMb": "much" } }');
      expect((await machine.run(`systemctl reload ${worker.unit}`)).code).not.toBe(0);
      expect(await worker.property('ActiveState')).toBe('active');
      expect(await budget()).toBe(500);
      await worker.configure(CONFIG);
    });

    it('is replaced by a new process, which systemd watches from then on', async () => {
      const before = await worker.property('MainPID');
      const limitMs = RESTART_MS;
      const upgraded = await machine.output(`iluvatar upgrade --json --config ${worker.configFile}`, { limitMs });
      const { pid } = JSON.parse(upgraded) as { pid: number };
      expect(`${pid}`).not.toBe(before);
      await expect.poll(() => worker.property('MainPID'), { timeout: RESTART_MS, interval: 2000 }).toBe(`${pid}`);
      expect([await worker.property('ActiveState'), await worker.property('NRestarts')]).toEqual(['active', '0']);
      await machine.output(`systemctl reload ${worker.unit}`);
      const states = await worker.evaluate(async ({ client }) => [
        (await client.invoke('python', { mb: 1 })).containerState,
        (await client.invoke('node', { a: 1, b: 1 })).containerState,
      ]);
      expect(states).toEqual(['warm', 'warm']);
    });

    it('is started again when it hangs, with all that was registered, and with its warm containers', async () => {
      const pid = await worker.property('MainPID');
      await machine.output(`kill -STOP ${pid}`);
      await expect
        .poll(async () => [await worker.property('MainPID'), '0'].includes(pid), {
          timeout: RESTART_MS,
          interval: 2000,
        })
        .toBe(false);
      await expect.poll(() => worker.property('ActiveState'), { timeout: RESTART_MS, interval: 2000 }).toBe('active');
      await worker.ready();
      expect(await worker.property('NRestarts')).toBe('1');
      const answer = await worker.evaluate(async ({ client }) => await client.invoke('node', { a: 4, b: 5 }));
      expect(answer).toMatchObject({ result: { sum: 9 }, containerState: 'warm' });
    });

    it('loses its power while invocations run and containers are made', async () => {
      const load = worker.evaluate(async ({ client }) => {
        const forever = async (call: () => Promise<unknown>): Promise<never> => {
          for (;;) await call();
        };
        await Promise.all([
          forever(() => client.invoke('python', { mb: 8 })),
          forever(() => client.invoke('node', { a: 1, b: 2 })),
          // Some containers are just being made or removed whenever it is.
          forever(async () => {
            await new Promise((resolve) => setTimeout(resolve, 3000));
            await client.clean();
          }),
        ]);
      });
      const ended = load.then(
        () => 'ended',
        ({ message }) => message,
      );
      await worker.evaluate(async ({ client, until }) => {
        const count = async (): Promise<number> => (await client.status()).counters['succeeded'] ?? 0;
        const before = await count();
        await until('the load is served', async () => (await count()) > before + 20);
      });
      // What is there cannot be taken for what is gone. Its mounts are in a namespace of its unit's own.
      const alive = await worker.leftovers();
      for (const kind of ['cgroup', 'link', 'process']) {
        expect(alive.filter((line) => line.startsWith(`${kind} `))).not.toEqual([]);
      }
      // The kernel would write it of its own accord after half a minute, which a busy host may take until the cut.
      await machine.output('echo 360000 > /proc/sys/vm/dirty_expire_centisecs');
      await machine.output('mkdir /kept && echo synced > /kept/synced && sync');
      // Acknowledged, and most of them not begun.
      accepted = await worker.evaluate(async ({ client }) => {
        const numbers = Array.from({ length: 20 }, (_, n) => n);
        return await Promise.all(numbers.map((n) => client.invokeAsync('slow', { n, seconds: 1 })));
      });
      await machine.output('echo not > /kept/unsynced');
      await machine.cutPower();
      await expect(machine.run('true')).rejects.toThrow('the machine is off');
      expect(await ended).toContain('it was switched off');
    });

    it('starts well with its machine after a power cut', async () => {
      await machine.boot();
      await worker.ready();
      const { health, answers } = await worker.evaluate(async ({ client }) => {
        const answers = [await client.invoke('python', { mb: 1 }), await client.invoke('node', { a: 1, b: 2 })];
        return { health: await client.health(), answers: answers.map(({ result }) => result) };
      });
      expect(health).toMatchObject({ healthy: true, notes: [] });
      expect(answers).toMatchObject([{ mb: 1 }, { sum: 3 }]);
    });

    it('lost what was not synced, as a machine does, and nothing that was', async () => {
      expect(await machine.output('cat /kept/synced')).toBe('synced');
      // Its name may be there, what was written to it cannot.
      expect((await machine.run('cat /kept/unsynced')).stdout).toBe('');
    });

    it('lost no asynchronous invocation that was acknowledged', async () => {
      const ends = await worker.evaluate(
        async ({ client }, { accepted }) =>
          await Promise.all(accepted.map((id) => client.result(id, { waitMs: 120_000 }))),
        { accepted },
      );
      expect(ends.map(({ status }) => status)).toEqual(accepted.map(() => 'done'));
      expect(ends.map(({ result }) => result?.result)).toMatchObject(accepted.map((_, n) => ({ n })));
    });

    it('finishes what runs when it is stopped, and leaves nothing, of before the power cut neither', async () => {
      const answer = worker.evaluate(async ({ client }) => (await client.invoke('slow', { seconds: 5 })).result);
      await worker.evaluate(async ({ client, until }) => {
        const slow = async () => (await client.list()).find(({ name }) => name === 'slow');
        await until('it runs', async () => ((await slow())?.running ?? 0) > 0);
      });
      await worker.stop();
      expect(await answer).toEqual({ seconds: 5 });
      expect([await worker.property('ExecMainStatus'), await worker.property('Result')]).toEqual(['0', 'success']);
      expect(await worker.leftovers()).toEqual([]);
    });

    it('goes with its unit, and keeps configuration and data', async () => {
      await machine.output(`iluvatar uninstall-service --name ${worker.name}`);
      expect((await machine.run(`systemctl cat ${worker.unit}`)).code).not.toBe(0);
      await machine.output(`test -e ${worker.configFile} && test -e /var/lib/iluvatar/${worker.name}/state`);
    });
  });
}
