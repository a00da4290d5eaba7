import { expect, it } from 'vitest';
import { describeWith } from '../../support/requirement.js';
import { rejection, WorkerFixture } from '../support/worker-fixture.js';

describeWith({ root: true, cgroups: true }, 'the health of a worker', () => {
  it('is served by the main thread too, and nothing else is', async () => {
    const config = { threads: true, supervision: { health: { enabled: true, port: 0 } } };
    await using fixture = await WorkerFixture.start(config);
    const { worker } = fixture;
    expect(worker.healthUrl).not.toBe(worker.httpUrl);
    const health = await fetch(`${worker.healthUrl}/healthz`);
    expect(health.status).toBe(200);
    const told = (await health.json()) as Awaited<ReturnType<typeof worker.health>>;
    expect(told.backends).toMatchObject([{ name: 'process', healthy: true }]);
    expect(told.threads.map(({ name, state }) => [name, state])).toEqual([
      ['shard-0', 'running'],
      ['life-cycle', 'running'],
    ]);
    expect(told.tasks.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['memory-sampler', 'pressure-monitor', 'stem-cells', 'process-cgroups', 'network-pools']),
    );
    expect((await fetch(`${worker.healthUrl}/livez`)).status).toBe(200);
    expect((await fetch(`${worker.healthUrl}/functions`)).status).toBe(404);
    expect((await fetch(`${worker.healthUrl}/healthz`, { method: 'POST' })).status).toBe(405);
    const port = Number(new URL(worker.healthUrl ?? '').port);
    const taken = rejection(WorkerFixture.start({ ...config, supervision: { health: { enabled: true, port } } }));
    expect(await taken).toMatchObject({ errorClass: 'conflict' });
  });

  it('has a note while the log cannot be written, and the worker goes on', async () => {
    await using fixture = await WorkerFixture.start({ log: { file: '/dev/full' } });
    const { worker } = fixture;
    await expect
      .poll(async () => (await worker.health()).notes, { timeout: 30_000 })
      .toContainEqual(expect.stringMatching(/the log cannot be written \(ENOSPC/));
    expect((await worker.health()).healthy).toBe(true);
    await fixture.python('hello', 'def main(args):\n    return "fine"\n');
    expect((await worker.invoke('hello')).result).toBe('fine');
  });
});
