import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FunctionDefinitionInput, WorkerConfigInput } from '../../src/index.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { DockerDaemon } from '../support/docker-daemon.js';
import { keptBy } from '../support/keeper.js';
import { describeWith } from '../support/requirement.js';
import { FaultyWorker } from '../worker/supervision/faulty-worker.js';
import { type Counted, call, counter, killedInRun, livedOnce, writeCounter } from './support/counter.js';
import { clean, ctr, curl, inContainerd, inDocker } from './support/in-engines.js';
import { WorkerProcess } from './support/worker-process.js';

vi.setConfig({ testTimeout: 240_000, hookTimeout: 240_000 });

const AGENTS = fileURLToPath(new URL('../backends/fixtures', import.meta.url));
const SOON = { timeout: 30_000 };
const NEEDS = { root: true, cgroups: true, command: ['python3', 'containerd', 'dockerd', 'runc', 'ctr', 'curl'] };

describeWith(NEEDS, 'warm containers in an engine, of a worker that was killed', () => {
  let containerd: ContainerdDaemon;
  let docker: DockerDaemon;
  beforeAll(async () => {
    [containerd, docker] = await Promise.all([ContainerdDaemon.start(), DockerDaemon.start()]);
  });
  afterAll(async () => {
    await Promise.all([containerd?.close(), docker?.close()]);
  });

  describe.each([
    ['containerd', 'iluvatar'],
    ['containerd', 'io.containerd.runc.v2'],
    ['docker', ''],
  ] as const)('%s %s', (backend, runtime) => {
    const recovery = (given: WorkerConfigInput['recovery']): WorkerConfigInput => ({
      recovery: given,
      backends:
        backend === 'docker'
          ? { docker: { enabled: true, socket: docker.socket } }
          : { containerd: { enabled: true, address: containerd.address, runtime } },
    });
    const make = (given: WorkerConfigInput['recovery'] = {}): WorkerProcess => new WorkerProcess(recovery(given));
    const definition = (worker: WorkerProcess, over: Partial<FunctionDefinitionInput> = {}): FunctionDefinitionInput =>
      counter(worker, { backends: [backend], readOnlyRoot: false, ...over });
    const inEngine = (worker: WorkerProcess): string[] =>
      backend === 'docker' ? inDocker(docker, worker) : inContainerd(containerd, worker);
    /** Of whatever the worker makes there. */
    const leftIn = (worker: WorkerProcess): string[] => [
      ...inEngine(worker),
      ...(backend === 'docker' ? [] : ctr(containerd, 'leases', 'ls', '-q').filter((id) => id.includes(worker.name))),
    ];

    async function registered(worker: WorkerProcess, over: Partial<FunctionDefinitionInput> = {}): Promise<void> {
      await livedOnce(worker, async (client) => {
        await client.register(definition(worker, over));
        await call(client);
      });
    }

    it('serve warm under the next one, with their memory accounted, their output read, and their end noticed', async () => {
      await using worker = make();
      await registered(worker);
      const names = inEngine(worker);
      expect(names).toHaveLength(1);

      await worker.start();
      await worker.client(async (client) => {
        expect(inEngine(worker)).toEqual(names);
        const { memory, counters } = await client.status();
        expect(memory).toMatchObject({ cachedContainers: 1, cachedMb: 64, runningMb: 0 });
        expect(counters).toMatchObject({ containersAdopted: 1, containersCreated: 0 });
        const second = await client.invoke<Counted>('counter', { print: 'still heard' });
        expect(second).toMatchObject({ result: { calls: 2 }, containerState: 'warm', stdout: 'still heard\n' });
        await call(client, { write: 'past the runtime' });
        await vi.waitFor(() => expect(worker.log()).toContain('past the runtime'), SOON);
        await expect(call(client, { die: 7 })).rejects.toMatchObject({
          errorClass: 'crashed',
          message: expect.stringContaining('code 7'),
        });
        expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
        await vi.waitFor(() => expect(inEngine(worker)).toHaveLength(1), SOON);
        expect(inEngine(worker)).not.toEqual(names);
        await client.unregister('counter');
        await vi.waitFor(() => expect(leftIn(worker)).toEqual([]), SOON);
        if (backend === 'containerd') expect(readdirSync(join(worker.dataDir, 'containerd-0', 'roots'))).toEqual([]);
      });
      expect(await worker.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });

    it('are taken over again and again, and "iluvatar clean" removes them when no worker does', async () => {
      await using worker = make();
      await registered(worker);
      for (let life = 2; life <= 3; life++) {
        await worker.start();
        await worker.client(async (client) => {
          expect(await call(client, { write: `in life ${life}` })).toMatchObject({ calls: life, state: 'warm' });
          await vi.waitFor(() => expect(worker.log()).toContain(`in life ${life}`), SOON);
        });
        await worker.kill();
      }
      expect(inEngine(worker)).toHaveLength(1);
      expect(clean(worker).problems).toEqual([]);
      expect(inEngine(worker)).toEqual([]);
      expect(worker.leftovers()).toEqual([]);
    });

    it('that were busy are taken over when their run has ended, and its result is nobody’s', async () => {
      await using worker = make({ answerMs: 30_000 });
      await worker.start();
      await worker.client(async (client) => {
        await client.register(definition(worker));
        await call(client);
        // More than pipes hold: it ends only if somebody reads on.
        await killedInRun(worker, client, { sleep: 3, write: 'heard late', after: 300_000 });
      });
      await worker.start();
      await worker.client(async (client) => {
        await vi.waitFor(
          async () => expect((await client.status()).counters).toMatchObject({ containersAdopted: 1 }),
          SOON,
        );
        expect(await call(client, { fill: 'xxx' })).toMatchObject({ calls: 3, size: 3, state: 'warm' });
        expect(await call(client)).toMatchObject({ calls: 4, size: 0, state: 'warm' });
        // Docker reads on by itself, for nobody.
        if (backend === 'containerd') await vi.waitFor(() => expect(worker.log()).toContain('heard late'), SOON);
      });
      expect(await worker.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });

    it('that ended meanwhile are not taken over', async () => {
      await using worker = make();
      await registered(worker);
      const [name] = inEngine(worker) as [string];
      if (backend === 'docker') curl(docker, `/containers${name}/kill`, 'POST');
      else ctr(containerd, 'tasks', 'kill', '-s', 'SIGKILL', name);
      await worker.start();
      await worker.client(async (client) => {
        await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).toEqual([]), SOON);
        const { memory, counters } = await client.status();
        expect(memory.totalMb).toBe(0);
        expect(counters).toMatchObject({ containersAdopted: 0 });
        expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
        await vi.waitFor(() => expect(inEngine(worker)).toHaveLength(1), SOON);
        expect(inEngine(worker)).not.toEqual([name]);
      });
      expect(await worker.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });

    it('of a function that nobody registers again are removed, and their image is let go', async () => {
      await using worker = make();
      await registered(worker);
      const { dataDir } = worker;
      for (const entry of readdirSync(join(dataDir, 'state'))) writeFileSync(join(dataDir, 'state', entry), 'nonsense');
      await worker.start();
      await worker.client(async (client) => {
        expect((await client.status()).memory.totalMb).toBe(0);
        await vi.waitFor(() => expect(leftIn(worker)).toEqual([]), SOON);
        expect(await keptBy(dataDir)).toEqual([]);
      });
      expect(await worker.stopAndLook()).toEqual([]);
    });

    it('whose agents are not ours are reached anew', async () => {
      await using worker = make();
      const old = [
        ['legacy-socket', 'legacy-socket-agent.py', {}],
        ['http', 'http-agent.py', { network: 'host' }],
      ] as const;
      await worker.start();
      await worker.client(async (client) => {
        for (const [server, file, more] of old) {
          const source = worker.source(server, readFileSync(join(AGENTS, file), 'utf8'));
          await client.register({ name: server, source, server, backends: [backend], memoryMb: 64, ...more });
          expect(await client.invoke(server, { n: 1 })).toMatchObject({ result: { got: { n: 1 } } });
        }
        await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).toHaveLength(2), SOON);
      });
      const names = inEngine(worker);
      await worker.kill();
      await worker.start();
      await worker.client(async (client) => {
        expect(inEngine(worker)).toEqual(names);
        for (const [server] of old)
          expect(await client.invoke(server, { n: 2 })).toMatchObject({
            result: { got: { n: 2 } },
            containerState: 'warm',
          });
        await client.clean();
        await vi.waitFor(() => expect(inEngine(worker)).toEqual([]), SOON);
      });
      expect(await worker.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });

    // Left out, not skipped: Docker's containers end with their daemon, unless it is told otherwise.
    const unlessTheyEndWithIt = backend === 'docker' ? () => {} : it;
    unlessTheyEndWithIt('are removed when the engine was away as the next worker started', async () => {
      await using worker = make();
      await registered(worker);
      await containerd.terminate();
      try {
        await worker.start();
        await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).toEqual([]), SOON);
      } finally {
        await containerd.restart();
      }
      await vi.waitFor(() => expect(inEngine(worker)).toEqual([]), SOON);
      expect(await worker.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });

    it('go on under the next shard when theirs crashes', async () => {
      await using worker = await FaultyWorker.start(recovery({}));
      await using client = await worker.connect();
      await client.register({
        name: 'counter',
        source: writeCounter(worker.folder),
        backends: [backend],
        memoryMb: 64,
      });
      expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
      await vi.waitFor(async () => expect(await keptBy(worker.dataDir)).toHaveLength(1), SOON);
      worker.shardFault('throw');
      await vi.waitFor(
        () => expect(worker.supervisor.threads()[0]).toMatchObject({ state: 'running', restarts: 1 }),
        SOON,
      );
      await using again = await worker.connect();
      expect(await call(again, { write: 'under the next shard' })).toMatchObject({ calls: 2, state: 'warm' });
      await vi.waitFor(() => expect(worker.shardLog().join('\n')).toContain('under the next shard'), SOON);
    });

    it('that have an address keep it, where it can be kept', async () => {
      await using worker = make();
      await worker.start();
      await worker.client(async (client) => {
        await client.register(definition(worker, { network: 'bridge' }));
        await call(client);
        await client.register(definition(worker, { name: 'beside' }));
        await call(client, {}, 'beside');
        await vi.waitFor(
          async () => expect(await keptBy(worker.dataDir)).toHaveLength(backend === 'docker' ? 1 : 2),
          SOON,
        );
      });
      await worker.kill();
      await worker.start();
      await worker.client(async (client) => {
        // Docker's networks are removed with the worker that made them.
        const next = backend === 'docker' ? { calls: 1, state: 'cold' } : { calls: 2, state: 'warm' };
        expect(await call(client)).toMatchObject(next);
        expect(await call(client, {}, 'beside')).toMatchObject({ calls: 2, state: 'warm' });
        await vi.waitFor(async () => expect(await client.status()).toMatchObject({ memory: { totalMb: 128 } }), SOON);
      });
      expect(await worker.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });

    it('are removed with recovery.mode "clean"', async () => {
      await using worker = make();
      await registered(worker);
      await using cleaning = worker.withConfig(recovery({ mode: 'clean' }));
      await cleaning.start();
      await cleaning.client(async (client) => {
        expect(inEngine(worker)).toEqual([]);
        expect((await client.status()).memory.totalMb).toBe(0);
        expect(await call(client)).toMatchObject({ calls: 1, state: 'cold' });
      });
      expect(existsSync(join(worker.dataDir, 'keeper.sock'))).toBe(false);
      expect(await cleaning.stopAndLook()).toEqual([]);
      expect(leftIn(worker)).toEqual([]);
    });
  });
});
