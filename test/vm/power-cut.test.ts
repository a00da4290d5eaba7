import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { ADD, MEMORY, SLOW } from './functions.js';
import { GuestWorker } from './guest-worker.js';
import { Machine } from './machine.js';
import { MACHINE } from './requirements.js';

/** A worker whose machine loses its power while it works, and which is started again with it. */
describeWith(MACHINE, 'a power cut under load', () => {
  let machine: Machine;
  let worker: GuestWorker;
  let accepted: string[] = [];

  beforeAll(async () => {
    machine = await Machine.start();
    worker = await GuestWorker.installService(machine, 'cut', {
      network: { nat: true, forwarding: 'enable' },
      http: { enabled: false },
    });
  });
  afterAll(async () => await machine?.[Symbol.asyncDispose]());

  it('meets a worker that has containers, bridges and namespaces', async () => {
    const before = await worker.evaluate(
      async ({ client, register }, { MEMORY, ADD, SLOW }) => {
        await register('python', MEMORY, { network: 'bridge' });
        await register('node', ADD);
        await register('slow', SLOW);
        await client.invoke('python', { mb: 1 });
        await client.invoke('node', { a: 1, b: 2 });
        return (await client.status()).counters;
      },
      { MEMORY, ADD, SLOW },
    );
    expect(before).toMatchObject({ cold: 2, succeeded: 2 });
    // One that is there cannot be taken for one that is gone. Its mounts are in a namespace of its unit's own.
    const alive = await worker.leftovers();
    for (const kind of ['cgroup', 'link', 'process']) {
      expect(alive.filter((line) => line.startsWith(`${kind} `))).not.toEqual([]);
    }
  });

  it('comes while invocations run and containers are made', async () => {
    await worker.background(async ({ client }) => {
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
    await worker.evaluate(async ({ client, until }) => {
      const count = async (): Promise<number> => (await client.status()).counters['succeeded'] ?? 0;
      const before = await count();
      await until('the load is served', async () => (await count()) > before + 20);
    });
    // Acknowledged, and most of them not begun.
    accepted = await worker.evaluate(async ({ client }) => {
      const numbers = Array.from({ length: 20 }, (_, n) => n);
      return await Promise.all(numbers.map(async (n) => (await client.invokeAsync('slow', { n, seconds: 1 })).id));
    });
    await machine.cutPower();
    await expect(machine.run('true')).rejects.toThrow('the machine is off');
  });

  it('keeps nothing from starting well with the machine', async () => {
    await machine.boot();
    await worker.ready();
    const { health, answers } = await worker.evaluate(async ({ client }) => {
      const answers = [await client.invoke('python', { mb: 1 }), await client.invoke('node', { a: 1, b: 2 })];
      return { health: await client.health(), answers: answers.map(({ result }) => result) };
    });
    expect(health).toMatchObject({ healthy: true, notes: [] });
    expect(answers).toMatchObject([{ mb: 1 }, { sum: 3 }]);
  });

  it('loses no asynchronous invocation that was acknowledged', async () => {
    const ends = await worker.evaluate(
      async ({ client }, { accepted }) => await Promise.all(accepted.map((id) => client.result(id, 120_000))),
      { accepted },
    );
    expect(ends.map(({ status }) => status)).toEqual(accepted.map(() => 'done'));
    expect(ends.map(({ result }) => result?.result)).toMatchObject(accepted.map((_, n) => ({ n })));
  });

  it('leaves nothing that the next worker does not clear away', async () => {
    await worker.stop();
    expect(await worker.leftovers()).toEqual([]);
  });
});
