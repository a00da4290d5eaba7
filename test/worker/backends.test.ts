import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packSource } from '../../src/cli/archive.js';
import { type WorkerConfigInput, workerConfigSchema } from '../../src/config/schema.js';
import { connect, type Worker } from '../../src/index.js';
import { Supervisor } from '../../src/worker/supervisor.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { describeWith } from '../support/requirement.js';
import { testProgram } from '../support/test-program.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

/** One worker with several backends: one accounting, one engine behind the other, and all of it again after a crash. */

const CRASHING = testProgram('worker/support/crashing-shard');
const SLEEPS = 'import time\ndef main(args):\n    time.sleep(args.get("s", 0))\n    return "fine"\n';
const LIMIT_MS = 180_000;
const PATIENCE = { timeout: 60_000, interval: 100 };

const NEEDS = { root: true, cgroups: true, command: ['python3', 'containerd', 'dockerd', 'runc', 'ctr'] };

describeWith(NEEDS, 'a worker with several backends', () => {
  let containerd: ContainerdDaemon;
  let docker: DockerDaemon;

  beforeAll(async () => {
    [containerd, docker] = await Promise.all([ContainerdDaemon.start(), DockerDaemon.start()]);
  }, LIMIT_MS);
  afterAll(async () => {
    await Promise.all([containerd?.close(), docker?.close()]);
  });

  function backends(): NonNullable<WorkerConfigInput['backends']> {
    return {
      containerd: { enabled: true, address: containerd.address },
      docker: { enabled: true, socket: docker.socket },
    };
  }

  it(
    'accounts for the memory and slots of all of them together',
    async () => {
      await using fixture = await WorkerFixture.start({
        backends: backends(),
        memory: { budgetMb: 300 },
        cpu: { slots: 3 },
      });
      const { worker } = fixture;
      const names = ['docker', 'containerd', 'process'];
      for (const name of names) await fixture.python(name, SLEEPS, { backends: [name], memoryMb: 100 });
      expect((await worker.list()).map((fn) => fn.backends)).toEqual(names.map((name) => [name]));
      for (const name of names) await worker.prewarm(name);
      const running = names.map((name) => worker.invoke(name, { s: 2 }));
      await expect.poll(async () => (await worker.status()).cpu.used, PATIENCE).toBe(3);
      const busy = await worker.status();
      expect(busy.memory).toMatchObject({ runningMb: 300, cachedMb: 0, totalMb: 300, runningContainers: 3 });
      expect(await containersOf(worker)).toEqual({ process: 1, containerd: 1, docker: 1 });
      expect((await Promise.all(running)).map(({ result }) => result)).toEqual(['fine', 'fine', 'fine']);
      // The one used longest ago is Docker's: it makes room for one of the process backend, and then containerd's does.
      for (const name of names) await worker.invoke(name);
      await fixture.python('second', SLEEPS, { backends: ['process'], memoryMb: 100 });
      expect((await worker.invoke('second')).result).toBe('fine');
      expect(await containersOf(worker)).toEqual({ process: 2, containerd: 1, docker: 0 });
      expect((await worker.status()).memory).toMatchObject({ totalMb: 300, cachedContainers: 3 });
      expect((await worker.invoke('docker')).containerState).toBe('cold');
      expect(await containersOf(worker)).toEqual({ process: 2, containerd: 0, docker: 1 });
      const { healthy, backends: each } = await worker.health();
      expect([healthy, each.map(({ name }) => name)]).toEqual([true, ['process', 'containerd', 'docker']]);
      for (const name of names) expect(await metric(worker, 'creation_failures_total', name)).toBe(0);
      expect(await metric(worker, 'creations_total', 'docker')).toBe(2);
    },
    LIMIT_MS,
  );

  it(
    'refuses what none of them can run, and says which there are',
    async () => {
      await using fixture = await WorkerFixture.start({ backends: { containerd: backends().containerd } });
      const refused = await rejection(fixture.python('hello', SLEEPS, { backends: ['containerd', 'docker'] }));
      expect(refused.errorClass).toBe('invalid');
      expect(refused.message).toBe('backend "docker" is not on this worker; it has: process, containerd');
    },
    LIMIT_MS,
  );

  it(
    'falls back while an engine is away, and comes back to it',
    async () => {
      await using fixture = await WorkerFixture.start({
        backends: { containerd: backends().containerd },
        defaultBackends: ['containerd', 'process'],
        create: { attempts: 1, breaker: { failures: 1, openMs: 500 } },
      });
      const { worker } = fixture;
      await fixture.python('hello', SLEEPS);
      await worker.invoke('hello');
      expect(await containersOf(worker)).toEqual({ containerd: 1, process: 0 });
      await containerd.kill();
      try {
        await expect.poll(async () => (await worker.health()).backends[1]?.healthy, PATIENCE).toBe(false);
        // The container that is there goes on; one more has to be made elsewhere.
        const both = await Promise.all([worker.invoke('hello', { s: 1 }), worker.invoke('hello', { s: 1 })]);
        expect(both.map(({ result }) => result)).toEqual(['fine', 'fine']);
        expect(await containersOf(worker)).toMatchObject({ process: 1 });
        const { healthy, backends: each } = await worker.health();
        expect([healthy, each.map((backend) => [backend.name, backend.healthy])]).toEqual([
          false,
          [
            ['process', true],
            ['containerd', false],
          ],
        ]);
        expect(each[1]?.notes.join()).toContain(`containerd at ${containerd.address} is away`);
        expect(await metric(worker, 'creation_failures_total', 'containerd')).toBe(1);
        expect(await metric(worker, 'avoided', 'containerd')).toBe(1);
      } finally {
        await containerd.restart();
      }
      await expect.poll(async () => (await worker.health()).backends[1]?.healthy, PATIENCE).toBe(true);
      await expect
        .poll(async () => {
          await worker.clean();
          expect((await worker.invoke('hello')).result).toBe('fine');
          return containersOf(worker);
        }, PATIENCE)
        .toEqual({ containerd: 1, process: 0 });
      expect(await metric(worker, 'avoided', 'containerd')).toBe(0);
      expect((await worker.health()).healthy).toBe(true);
    },
    LIMIT_MS,
  );

  it(
    'has every function again on all of them after a crash, also those whose source is gone',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-backends-'));
      const dataDir = join(folder, 'data');
      const source = join(folder, 'source');
      for (const path of [dataDir, source]) mkdirSync(path);
      writeFileSync(join(source, 'main.py'), 'def main(args):\n    return "real"\n');
      writeFileSync(join(source, 'simulated.json'), '{"result": "simulated"}');
      const archive = await packSource(source, false, () => {});
      const single = join(folder, 'resize.py');
      writeFileSync(single, 'def main(args):\n    return "single"\n');
      const config = workerConfigSchema.parse({
        name: `backends-${process.pid}`,
        dataDir,
        http: { enabled: false },
        backends: { ...backends(), simulated: { enabled: true } },
      });
      const supervisor = new Supervisor({ config, log: pino({ level: 'silent' }), task: CRASHING });
      await supervisor.start();
      try {
        const names = ['simulated', 'process', 'containerd', 'docker'];
        const definition = (name: string) => {
          return { name: `on-${name}`, backends: [name, ...names.filter((other) => other !== name)] };
        };
        const client = await connect(join(dataDir, 'worker.sock'));
        for (const name of names) await client.register(definition(name), { archive });
        await client.register({ name: 'single', source: single, backends: ['containerd', 'process'] });
        const before = await client.list();
        client.close();
        rmSync(source, { recursive: true });
        rmSync(single);
        writeFileSync(join(dataDir, 'crash'), '');
        await expect.poll(() => supervisor.threads()[0], PATIENCE).toMatchObject({ state: 'running', restarts: 1 });
        await using again = await connect(join(dataDir, 'worker.sock'));
        const kept = (fn: (typeof before)[number]) => [fn.name, fn.digest, fn.backends];
        expect((await again.list()).map(kept)).toEqual(before.map(kept));
        for (const name of names) {
          expect((await again.invoke(`on-${name}`)).result).toBe(name === 'simulated' ? 'simulated' : 'real');
          expect((await again.status()).backends[name]).toMatchObject({ containers: 1 });
          // The same upload once more is the same function.
          expect(await again.register(definition(name), { archive })).toMatchObject({ containers: 1 });
        }
        expect((await again.invoke('single')).result).toBe('single');
      } finally {
        await supervisor.stop(1000);
        rmSync(folder, { recursive: true, force: true });
      }
    },
    LIMIT_MS,
  );
});

async function containersOf(worker: Worker): Promise<Record<string, number | undefined>> {
  const { backends } = await worker.status();
  return Object.fromEntries(Object.entries(backends).map(([name, { containers }]) => [name, containers]));
}

async function metric(worker: Worker, name: string, backend: string): Promise<number> {
  const text = await (await fetch(`${worker.httpUrl}/metrics`)).text();
  const found = new RegExp(`^iluvatar_backend_${name}\\{backend="${backend}"\\} (\\S+)$`, 'm').exec(text);
  return Number(found?.[1]);
}
