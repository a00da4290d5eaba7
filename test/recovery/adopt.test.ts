import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { keptBy } from '../support/keeper.js';
import { describeWith } from '../support/requirement.js';
import { type Counted, call, counter, livedOnce } from './support/counter.js';
import { WorkerProcess } from './support/worker-process.js';

vi.setConfig({ testTimeout: 240_000 });

describeWith({ root: true, cgroups: true }, 'warm containers of a worker that was killed', () => {
  it('serve warm under the next one, with their memory accounted, their output read, and their end noticed', async () => {
    await using worker = new WorkerProcess();
    await livedOnce(worker, async (client) => {
      await client.register(counter(worker));
      for (let i = 1; i <= 3; i++) expect(await call(client)).toMatchObject({ calls: i });
    });

    await worker.start();
    await worker.client(async (client) => {
      const { memory, counters } = await client.status();
      expect(memory).toMatchObject({ cachedContainers: 1, cachedMb: 64, runningMb: 0 });
      expect(counters).toMatchObject({ containersAdopted: 1, containersCreated: 0 });
      const fourth = await client.invoke<Counted>('counter', { print: 'still heard' });
      expect(fourth).toMatchObject({ result: { calls: 4 }, containerState: 'warm', stdout: 'still heard\n' });
      await expect(call(client, { die: 7 })).rejects.toMatchObject({ errorClass: 'crashed' });
      expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
    });
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('are taken over again and again, whoever made them', async () => {
    await using worker = new WorkerProcess();
    await livedOnce(worker, (client) => client.register(counter(worker)).then(() => call(client)));
    for (let life = 2; life <= 4; life++) {
      await worker.start();
      await worker.client(async (client) => expect(await call(client)).toMatchObject({ calls: life, state: 'warm' }));
      await worker.kill();
    }
    await worker.start();
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('that were busy are taken over when their run has ended, and its result is nobody’s', async () => {
    await using worker = new WorkerProcess({ recovery: { answerMs: 30_000 } });
    await worker.start();
    let cut: Promise<unknown> = Promise.resolve();
    await worker.client(async (client) => {
      await client.register(counter(worker));
      await call(client);
      await vi.waitFor(async () => expect((await keptBy(worker.dataDir)).length).toBeGreaterThan(0), {
        timeout: 30_000,
      });
      cut = expect(call(client, { sleep: 3 })).rejects.toMatchObject({
        errorClass: 'unavailable',
        details: { mayHaveRun: true },
      });
      await vi.waitFor(async () => expect((await client.status()).memory.runningContainers).toBe(1), {
        timeout: 30_000,
      });
      await worker.kill();
      await cut;
    });
    await worker.start();
    await worker.client(async (client) => {
      await vi.waitFor(async () => expect((await client.status()).counters).toMatchObject({ containersAdopted: 1 }), {
        timeout: 30_000,
      });
      const [third, fourth] = [await call(client, { fill: 'xxx' }), await call(client)];
      expect(third).toMatchObject({ calls: 3, size: 3, state: 'warm' });
      expect(fourth).toMatchObject({ calls: 4, size: 0, state: 'warm' });
    });
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('that do not answer in time are removed', async () => {
    await using worker = new WorkerProcess({ recovery: { answerMs: 500 } });
    await worker.start();
    await worker.client(async (client) => {
      await client.register(counter(worker));
      await call(client);
      await vi.waitFor(async () => expect((await keptBy(worker.dataDir)).length).toBeGreaterThan(0), {
        timeout: 30_000,
      });
      const cut = call(client, { sleep: 600 }).catch((error: unknown) => error);
      await vi.waitFor(async () => expect((await client.status()).memory.runningContainers).toBe(1), {
        timeout: 30_000,
      });
      await worker.kill();
      await cut;
    });
    await worker.start();
    await worker.client(async (client) => {
      await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).toEqual([]), { timeout: 30_000 });
      expect((await client.status()).memory).toMatchObject({ totalMb: 0, cachedContainers: 0 });
      expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
    });
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('of a function that has gone, or is another now, are removed', async () => {
    await using worker = new WorkerProcess();
    await livedOnce(worker, async (client) => {
      await client.register(counter(worker));
      await call(client);
    });
    const { dataDir } = worker;
    // Without its store the worker does not know the function any more.
    for (const entry of readdirSync(join(dataDir, 'state'))) writeFileSync(join(dataDir, 'state', entry), 'nonsense');
    await worker.start();
    await worker.client(async (client) => {
      expect((await client.status()).memory.totalMb).toBe(0);
      expect(await keptBy(dataDir)).toEqual([]);
      await client.register(counter(worker));
      expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
    });
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('end by themselves when no worker comes back within the grace', async () => {
    await using worker = new WorkerProcess({ recovery: { graceMs: 500 } });
    await livedOnce(worker, (client) => client.register(counter(worker)).then(() => call(client)));
    await vi.waitFor(
      () => {
        const processes = worker.leftovers().filter((what) => what.startsWith('process'));
        expect(processes).toEqual([]);
        expect(existsSync(join(worker.dataDir, 'keeper.sock'))).toBe(false);
      },
      { timeout: 60_000, interval: 200 },
    );
    await worker.start();
    await worker.client(async (client) => expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' }));
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('are removed with recovery.mode "clean"', async () => {
    await using worker = new WorkerProcess();
    await livedOnce(worker, (client) => client.register(counter(worker)).then(() => call(client)));
    await using cleaning = worker.withConfig({ recovery: { mode: 'clean' } });
    await cleaning.start();
    await cleaning.client(async (client) => {
      expect((await client.status()).memory.totalMb).toBe(0);
      expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
    });
    expect(existsSync(join(worker.dataDir, 'keeper.sock'))).toBe(false);
    expect(await cleaning.stopAndLook()).toEqual([]);
  });

  it('go on under another keeper when theirs is killed', async () => {
    await using worker = new WorkerProcess();
    await worker.start();
    await worker.client(async (client) => {
      await client.register(counter(worker));
      await call(client);
      await vi.waitFor(async () => expect((await keptBy(worker.dataDir)).length).toBe(1), { timeout: 30_000 });
      const [before] = await keptBy(worker.dataDir);
      process.kill(before?.keeper as number, 'SIGKILL');
      expect(await call(client)).toMatchObject({ calls: 2, state: 'warm' });
      await vi.waitFor(
        async () => {
          const [after] = await keptBy(worker.dataDir);
          expect(after?.name).toBe(before?.name);
          expect(after?.keeper).not.toBe(before?.keeper);
        },
        { timeout: 30_000 },
      );
    });
    await worker.kill();
    await worker.start();
    await worker.client(async (client) => expect(await call(client)).toMatchObject({ calls: 3, state: 'warm' }));
    expect(await worker.stopAndLook()).toEqual([]);
  });
});
