import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeWith } from '../support/requirement.js';
import { ADD, MEMORY, SLOW } from './functions.js';
import { GuestWorker } from './guest-worker.js';
import { Machine } from './machine.js';
import { MACHINE } from './requirements.js';

/** The unit that `install-service` writes, with all its protections, under a systemd that is pid 1. */
const CONFIG = { http: { enabled: false }, memory: { budgetMb: 600 } };
const RESTART_MS = 300_000;

describeWith(MACHINE, 'a worker as a service', () => {
  let machine: Machine;
  let worker: GuestWorker;

  beforeAll(async () => {
    machine = await Machine.start();
    worker = await GuestWorker.installService(machine, 'served', CONFIG);
  });
  afterAll(async () => await machine?.[Symbol.asyncDispose]());

  const budget = (): Promise<number> => worker.evaluate(async ({ client }) => (await client.status()).memory.budgetMb);

  it('runs functions of both runtimes, with networks, behind the protections of its unit', async () => {
    const { results, health } = await worker.evaluate(
      async ({ client, register }, { MEMORY, ADD, SLOW }) => {
        await register('python', MEMORY, { network: 'bridge' });
        await register('node', ADD);
        await register('slow', SLOW);
        const answers = [await client.invoke('python', { mb: 8 }), await client.invoke('node', { a: 2, b: 3 })];
        return { results: answers.map(({ result }) => result), health: await client.health() };
      },
      { MEMORY, ADD, SLOW },
    );
    expect(results).toMatchObject([{ mb: 8 }, { sum: 5 }]);
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

  it('is started again when it hangs, with all that was registered', async () => {
    const pid = await worker.property('MainPID');
    await machine.output(`kill -STOP ${pid}`);
    await expect
      .poll(async () => [await worker.property('MainPID'), '0'].includes(pid), { timeout: RESTART_MS, interval: 2000 })
      .toBe(false);
    await expect.poll(() => worker.property('ActiveState'), { timeout: RESTART_MS, interval: 2000 }).toBe('active');
    await worker.ready();
    expect(await worker.property('NRestarts')).toBe('1');
    const answer = await worker.evaluate(async ({ client }) => (await client.invoke('node', { a: 4, b: 5 })).result);
    expect(answer).toEqual({ sum: 9 });
  });

  it('finishes what runs when it is stopped, and leaves nothing', async () => {
    await worker.background(async ({ client }) => {
      const { result } = await client.invoke('slow', { seconds: 10 });
      // Not `import()`: its text goes into the machine as it is compiled here, and what it is compiled to is not there.
      process.getBuiltinModule('node:fs').writeFileSync('/run/answer.json', JSON.stringify(result));
    });
    await worker.evaluate(async ({ client, until }) => {
      const slow = async () => (await client.list()).find(({ name }) => name === 'slow');
      await until('it runs', async () => ((await slow())?.running ?? 0) > 0);
    });
    await worker.stop();
    // Whoever called writes its answer down a moment after the worker has given it.
    const answer = async (): Promise<string> => (await machine.run('cat /run/answer.json')).stdout.trim();
    await expect.poll(answer, { timeout: 60_000, interval: 1000 }).toBe('{"seconds":10}');
    expect([await worker.property('ExecMainStatus'), await worker.property('Result')]).toEqual(['0', 'success']);
    expect(await worker.leftovers()).toEqual([]);
  });

  it('goes with its unit, and keeps configuration and data', async () => {
    await machine.output(`iluvatar uninstall-service --name ${worker.name}`);
    expect((await machine.run(`systemctl cat ${worker.unit}`)).code).not.toBe(0);
    await machine.output(`test -e ${worker.configFile} && test -e /var/lib/iluvatar/${worker.name}/state`);
  });
});
