import { readFileSync, rmSync } from 'node:fs';
import { expect, it, vi } from 'vitest';
import { keptBy } from '../support/keeper.js';
import { describeWith } from '../support/requirement.js';
import { rejection } from '../worker/support/worker-fixture.js';
import { WorkerProcess } from './support/worker-process.js';

const HELLO = 'def main(args):\n    return "hello"\n';

/** Several workers, one after the other, on a machine that does other things. */
vi.setConfig({ testTimeout: 240_000 });

describeWith({ root: true, cgroups: true }, 'registrations', () => {
  it('are there again after a SIGKILL, without their source, with the container that was warm', async () => {
    await using worker = new WorkerProcess();
    await worker.start();
    const source = worker.source('kept', HELLO);
    await worker.client(async (client) => {
      await client.register({ name: 'kept', source, memoryMb: 64 });
      await client.register({ name: 'gone', source });
      await client.unregister('gone');
      expect((await client.invoke('kept')).result).toBe('hello');
      await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).toHaveLength(1), { timeout: 30_000 });
    });
    await worker.kill();
    rmSync(source, { recursive: true });
    await worker.start();
    await worker.client(async (client) => {
      expect((await client.list()).map(({ name, memoryMb }) => [name, memoryMb])).toEqual([['kept', 64]]);
      expect(await client.invoke('kept')).toMatchObject({ result: 'hello', containerState: 'warm' });
      expect((await rejection(client.invoke('gone'))).errorClass).toBe('not_found');
    });
    expect(await worker.stopAndLook()).toEqual([]);
  });

  it('take what was learnt of their functions with them, unless their content is another', async () => {
    await using worker = new WorkerProcess({ store: { characteristicsMs: 50, writeMs: 50 } });
    await worker.start();
    const source = worker.source('learnt', HELLO);
    const invocations = (): Promise<number | undefined> =>
      worker.client(async (client) => (await client.list())[0]?.characteristics.devices[0]?.invocations);
    await worker.client(async (client) => {
      await client.register({ name: 'learnt', source });
      for (let i = 0; i < 5; i++) await client.invoke('learnt');
      const { counters } = await client.status();
      const before = counters['storeCommits'] as number;
      // The first that comes may have begun before the last of them: what they all are in is followed by none.
      let last = before;
      const isOver = async (): Promise<boolean> => {
        const commits = (await client.status()).counters['storeCommits'] as number;
        const over = commits > before && commits === last;
        last = commits;
        return over;
      };
      await expect.poll(isOver, { timeout: 20_000, interval: 500 }).toBe(true);
    });
    // Written while it ran: nobody has told it that it would end.
    await worker.kill();
    await worker.start();
    expect(await invocations()).toBe(5);
    await worker.client((client) => client.invoke('learnt'));
    await worker.stop();
    await worker.start();
    expect(await invocations()).toBe(6);
    await worker.client(async (client) => {
      await client.unregister('learnt');
      await client.register({ name: 'learnt', source });
      expect(await invocations()).toBe(6);
      const other = worker.source('other', 'def main(args):\n    return "other"\n');
      await client.register({ name: 'learnt', source: other }, { replace: true });
      expect(await invocations()).toBe(0);
    });
  });

  it('are forgotten by a worker that is told to keep nothing', async () => {
    await using worker = new WorkerProcess({ store: { enabled: false } });
    await worker.start();
    await worker.client((client) => client.register({ name: 'kept', source: worker.source('kept', HELLO) }));
    await worker.kill();
    await worker.start();
    expect(await worker.client((client) => client.list())).toEqual([]);
  });

  it('that cannot be made again are said, kept, and can be given up', async () => {
    await using worker = new WorkerProcess();
    await worker.start();
    await worker.client((client) => client.register({ name: 'kept', source: worker.source('kept', HELLO) }));
    await worker.stop();
    const code = `${worker.dataDir}/store/code`;
    rmSync(code, { recursive: true });
    await worker.start();
    expect(worker.log()).toContain('a function could not be registered again');
    await worker.client(async (client) => {
      expect(await client.list()).toEqual([]);
      await client.unregister('kept');
      expect((await rejection(client.unregister('kept'))).errorClass).toBe('not_found');
    });
  });
});

describeWith({ root: true, cgroups: true }, 'a worker with a store', () => {
  it('touches no disk for warm invocations', async () => {
    await using worker = new WorkerProcess();
    await worker.start();
    await worker.client(async (client) => {
      await client.register({ name: 'warm', source: worker.source('warm', HELLO) });
      for (let i = 0; i < 20; i++) await client.invoke('warm');
      const commits = async (): Promise<number | undefined> => (await client.status()).counters['storeCommits'];
      const written = (): string =>
        /^write_bytes: \d+$/m.exec(readFileSync(`/proc/${worker.pid}/io`, 'utf8'))?.[0] ?? '';
      // What registration left to be written lazily.
      let before = [await commits(), written()];
      await expect
        .poll(
          async () => {
            const earlier = before;
            before = [await commits(), written()];
            return before.join() === earlier.join();
          },
          { interval: 1500, timeout: 30_000 },
        )
        .toBe(true);
      for (let i = 0; i < 2000; i++) await client.invoke('warm');
      expect([await commits(), written()]).toEqual(before);
    });
  });

  it('keeps its data folder for itself', async () => {
    await using worker = new WorkerProcess();
    await worker.start();
    await using other = new WorkerProcess({
      name: `${worker.name}-b`,
      dataDir: worker.dataDir,
      socket: `${worker.folder}/b.sock`,
    });
    await expect(other.start()).rejects.toThrow(/another worker uses the data folder/);
    expect((await worker.client((client) => client.health())).healthy).toBe(true);
  });
});
