import { expect, it } from 'vitest';
import { ShardConnection } from '../../../src/worker/shard-connection.js';
import { keptBy } from '../../support/keeper.js';
import { describeWith } from '../../support/requirement.js';
import { rejection } from '../support/worker-fixture.js';
import { FaultyWorker } from './faulty-worker.js';

const PATIENCE = { timeout: 45_000 };

describeWith({ root: true, cgroups: true }, 'a shard that fails under its clients', () => {
  it.each(['throw', 'reject', 'exit'] as const)(
    'tells each of them what it knows, and the next one serves: %s',
    async (fault) => {
      // One slot: of two invocations one runs, and one waits.
      await using worker = await FaultyWorker.start({ cpu: { slots: 1 } });
      const { supervisor } = worker;
      await using client = await worker.connect();
      await client.register({ name: 'kept', source: worker.source });
      expect((await client.invoke('kept')).result).toBe('fine');
      const running = rejection(client.invoke('kept', { s: 60 }));
      await expect.poll(async () => (await client.list())[0]?.running, PATIENCE).toBe(1);
      const waiting = rejection(client.invoke('kept'));
      const overHttp = worker.invoke('kept', {});
      await expect.poll(async () => (await client.list())[0]?.queued, PATIENCE).toBe(2);
      worker.shardFault(fault);
      const [ran, waited, answer] = await Promise.all([running, waiting, overHttp]);
      expect(ran).toMatchObject({ errorClass: 'unavailable', details: { mayHaveRun: true } });
      expect(ran.message).toContain('may have run');
      expect(waited).toMatchObject({ errorClass: 'unavailable', details: {} });
      expect(waited.message).toContain('has not run');
      expect(answer.status).toBe(503);
      const problem = (await answer.json()) as Record<string, unknown>;
      expect(problem).toMatchObject({ errorClass: 'unavailable', detail: expect.stringContaining('has not run') });
      expect(problem['mayHaveRun']).toBeUndefined();
      const cause = { throw: 'error', reject: 'rejection', exit: 'exit' }[fault];
      await expect
        .poll(() => supervisor.threads()[0], PATIENCE)
        .toMatchObject({ state: 'running', causes: { [cause]: 1 } });
      expect(worker.lines).toContainEqual(expect.objectContaining({ level: 50, thread: 'shard-0', cause }));
      await using again = await worker.connect();
      expect(await again.invoke('kept')).toMatchObject({ result: 'fine', containerState: 'cold' });
      expect(await again.metrics()).toContain(`iluvatar_thread_restarts_total{name="shard-0",cause="${cause}"} 1`);
      const health = await again.health();
      expect(health.healthy).toBe(true);
      expect(health.threads).toContainEqual(expect.objectContaining({ name: 'shard-0', restarts: 1, failing: false }));
    },
  );

  it('leaves its warm containers to the next one', async () => {
    await using worker = await FaultyWorker.start();
    const { supervisor } = worker;
    await using client = await worker.connect();
    await client.register({ name: 'kept', source: worker.source });
    expect(await client.invoke('kept')).toMatchObject({ containerState: 'cold' });
    await expect.poll(async () => (await keptBy(worker.dataDir)).length, PATIENCE).toBe(1);
    worker.shardFault('throw');
    await expect.poll(() => supervisor.threads()[0], PATIENCE).toMatchObject({ state: 'running', restarts: 1 });
    await using again = await worker.connect();
    expect(await again.invoke('kept')).toMatchObject({ result: 'fine', containerState: 'warm' });
    expect((await again.status()).counters).toMatchObject({ containersAdopted: 1, containersCreated: 0 });
  });

  it('notices a busy loop, answers for it, and ends it', async () => {
    await using worker = await FaultyWorker.start({
      cpu: { slots: 2 },
      supervision: { missedBeatMs: 3000, health: { enabled: true, port: 0, answerMs: 200 } },
    });
    const { supervisor } = worker;
    await using client = await worker.connect();
    await client.register({ name: 'kept', source: worker.source });
    expect((await client.invoke('kept')).result).toBe('fine');
    expect(await worker.health()).toMatchObject({ status: 200, body: { healthy: true } });
    const running = rejection(client.invoke('kept', { s: 60 }));
    const overHttp = worker.invoke('kept', { s: 60 });
    await expect.poll(async () => (await client.list())[0]?.running, PATIENCE).toBe(2);
    worker.shardFault('hang');
    await expect.poll(() => worker.health(), PATIENCE).toMatchObject({ status: 503, body: { healthy: false } });
    expect(await worker.health('/livez')).toEqual({ status: 200, body: { live: true } });
    expect(await running).toMatchObject({ errorClass: 'unavailable', details: { mayHaveRun: true } });
    const answer = await overHttp;
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({ errorClass: 'unavailable', mayHaveRun: true });
    await expect.poll(() => supervisor.threads()[0], PATIENCE).toMatchObject({ state: 'running', causes: { hang: 1 } });
    await using again = await worker.connect();
    expect((await again.invoke('kept')).result).toBe('fine');
    await expect.poll(() => worker.health(), PATIENCE).toMatchObject({ status: 200, body: { healthy: true } });
  });

  it('is reached again through the library, whose calls in flight are told', async () => {
    await using worker = await FaultyWorker.start();
    const connection = await ShardConnection.open(worker.socket, 1024 * 1024);
    try {
      const definition = { name: 'kept', source: worker.source };
      await connection.call('register', { definition, replace: false });
      const running = rejection(connection.invoke('kept', { s: 60 }, {}));
      const functions = async () => (await connection.call('list', {})) as { running: number }[];
      await expect.poll(async () => (await functions())[0]?.running, PATIENCE).toBe(1);
      worker.shardFault('throw');
      expect(await running).toMatchObject({ errorClass: 'unavailable', details: { mayHaveRun: true } });
      // Until the next one listens.
      const refused = await rejection(connection.invoke('kept', {}, {}));
      expect(refused).toMatchObject({ errorClass: 'unavailable', details: {} });
      await expect
        .poll(() => connection.invoke('kept', {}, {}).catch((error: unknown) => error), PATIENCE)
        .toMatchObject({ result: 'fine' });
    } finally {
      connection.close();
    }
  });
});
