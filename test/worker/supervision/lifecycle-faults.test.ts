import { expect, it } from 'vitest';
import { describeWith } from '../../support/requirement.js';
import { rejection } from '../support/worker-fixture.js';
import { FaultyWorker } from './faulty-worker.js';

const PATIENCE = { timeout: 45_000 };

describeWith({ root: true, cgroups: true }, 'a life-cycle thread that fails under its task', () => {
  it.each([
    ['throws', 'throw', 'error', 'its thread ended'],
    ['exits', 'exit', 'exit', 'its thread ended'],
    ['hangs', 'hang', 'hang', 'its thread ended'],
    ['takes for ever', 'never', 'budget', 'did not end within 4000 ms'],
  ] as const)(
    'is replaced when it %s, and whoever waits for the task is told',
    async (_what, fault, cause, message) => {
      const supervision = { lifecycle: { missedBeatMs: 2000, taskMs: 4000 }, health: { enabled: true, port: 0 } };
      await using worker = await FaultyWorker.start({ supervision });
      await using client = await worker.connect();
      worker.lifecycleFault('importSource', fault);
      const failure = await rejection(client.register({ name: 'first', source: worker.source }));
      expect(failure).toMatchObject({ errorClass: 'unavailable', message: expect.stringContaining(message) });
      await client.register({ name: 'second', source: worker.source });
      expect((await client.invoke('second')).result).toBe('fine');
      const thread = { name: 'life-cycle', state: 'running', restarts: 1, causes: { [cause]: 1 } };
      await expect
        .poll(async () => (await client.health()).threads, PATIENCE)
        .toContainEqual(expect.objectContaining(thread));
      expect(await client.metrics()).toContain(`iluvatar_thread_restarts_total{name="life-cycle",cause="${cause}"} 1`);
      expect(worker.supervisor.threads()).toMatchObject([{ name: 'shard-0', restarts: 0 }]);
    },
  );

  it('loses no container that it was to remove', async () => {
    await using worker = await FaultyWorker.start();
    await using client = await worker.connect();
    await client.register({ name: 'kept', source: worker.source });
    await client.invoke('kept');
    worker.lifecycleFault('removeCgroups', 'exit');
    await client.unregister('kept');
    await expect
      .poll(async () => (await client.health()).threads, PATIENCE)
      .toContainEqual(expect.objectContaining({ name: 'life-cycle', causes: { exit: 1 } }));
    const { counters } = await client.status();
    expect(counters).toMatchObject({ containersStuck: 0 });
  });
});
