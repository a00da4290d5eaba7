import { existsSync, readFileSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ContainerdClient } from '../../src/backends/containerd/client.js';
import { native } from '../../src/native.js';
import { python, simulated } from '../backends/support/dialects.js';
import {
  cgroupsOf,
  type Harness,
  prepare,
  processesWith,
  startSimulatedBackend,
  TestContainer,
} from '../backends/support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from '../backends/support/temporary.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';
import { ContainerdRig, linesOf, NEEDS, RUNTIMES } from './rig.js';

/** containerd, its shims and what it keeps go away under a running worker, in every way that is known of. */

const SOON = { timeout: 20_000 };
const HTTP_AGENT = fileURLToPath(new URL('../backends/fixtures/http-agent.py', import.meta.url));

describeWith(NEEDS, 'a running worker', () => {
  let daemon: ContainerdDaemon;

  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });

  describe.each(RUNTIMES)('with the runtime %s', (runtime) => {
    let rig: ContainerdRig;
    const made: TestContainer[] = [];

    beforeAll(async () => {
      rig = await ContainerdRig.start({ daemon, runtime });
    });
    afterEach(async () => {
      await Promise.all(made.splice(0).map((container) => container.destroy()));
      await expect.poll(() => rig.leftovers(), SOON).toEqual([]);
    });
    afterAll(() => rig?.close());

    /** Ready. */
    async function container(more: object = {}): Promise<TestContainer> {
      const { backend, transport } = rig.harness;
      const source = writeTree(temporaryFolder(), python.main);
      const one = new TestContainer(backend, transport, await prepare(backend, { name: 'f', source, ...more }));
      made.push(one);
      await one.started();
      return one;
    }

    /** Where containerd keeps what its shim has said. */
    function shimFolder(one: TestContainer): string {
      const id = one.handle.name.replace('/', '.');
      return join(daemon.folder, 'state', 'io.containerd.runtime.v2.task', rig.namespace, id);
    }

    function killProcessesOf(one: TestContainer): void {
      const group = `/${one.handle.name.split('-').at(-1)}`;
      const groups = cgroupsOf(`${rig.harness.config.name}.containerd`).filter((path) => path.endsWith(group));
      const pids = groups.flatMap((path) => linesOf(readFileSync(join(path, 'cgroup.procs'), 'utf8')));
      expect(pids.length).toBeGreaterThan(0);
      // With the first of a namespace the others end by themselves.
      for (const pid of new Set(pids)) native().system.kill(Number(pid), constants.signals.SIGKILL);
    }

    it('goes on warm while containerd is away, and finds everything as it was', async () => {
      const warm = await container();
      const gone = await container();
      const missed = await container({ server: 'http', network: 'host', source: HTTP_AGENT });
      const running = await container();
      const slow = running.invoke({ do: 'sleep', seconds: 4 }, 20_000);
      const { created } = counters(rig);
      await daemon.kill();
      await expect.poll(() => rig.healthy, SOON).toBe(false);
      const { notes } = rig.harness.backend.health();
      expect(notes[0]).toMatch(/^containerd at .* is away: /);
      for (let n = 1; n <= 5; n++)
        expect(await warm.invoke({})).toMatchObject({ errorClass: null, result: { calls: n } });
      await expect(prepare(rig.harness.backend, { name: 'later', source: HTTP_AGENT })).rejects.toMatchObject({
        errorClass: 'unavailable',
        message: expect.stringContaining('containerd'),
      });
      // Its end is told by nobody but containerd.
      killProcessesOf(missed);
      await gone.destroy();
      await daemon.restart();
      await expect.poll(() => rig.healthy, SOON).toBe(true);
      expect((await missed.exitedWith).errorClass).toBe('crashed');
      expect(await slow).toMatchObject({ errorClass: null, result: 'slept' });
      expect(await warm.invoke({})).toMatchObject({ errorClass: null, result: { calls: 6 } });
      expect(counters(rig)['created']).toBe(created);
      const known = async (): Promise<string[]> => linesOf(await rig.ctr('containers', 'list', '--quiet'));
      await expect.poll(known, SOON).not.toContain(gone.handle.name.replace('/', '.'));
      expect(await known()).toContain(warm.handle.name.replace('/', '.'));
      expect((await (await container()).invoke({})).errorClass).toBe(null);
    });

    it('loses what its shim held when that is killed, and starts anew', async () => {
      const one = await container();
      const flying = one.invoke({ do: 'sleep', seconds: 30 }, 60_000);
      const name = rig.harness.config.name;
      const shims = processesWith(
        runtime === 'iluvatar' ? (rig.harness.config.dataDir as string) : `${name}.containerd-`,
      );
      const killed = shims.filter((pid) => /containerd-shim/.test(commandOf(pid)));
      expect(killed).toHaveLength(1);
      // containerd forgets the socket of a shim that was killed, in a folder that all of the machine's containerds share.
      const address = join(shimFolder(one), 'address');
      const socket = existsSync(address) ? readFileSync(address, 'utf8').replace(/^unix:\/\//, '') : null;
      for (const pid of killed) process.kill(pid, 'SIGKILL');
      expect(await flying).toMatchObject({ errorClass: 'crashed' });
      await one.exitedWith;
      if (socket !== null) rmSync(socket, { force: true });
      expect(await (await container()).invoke({})).toMatchObject({ errorClass: null, result: { calls: 1 } });
    });

    it('keeps the content of an image whose name is removed', async () => {
      const { backend, transport } = rig.harness;
      const fn = await prepare(backend, { name: 'named', source: writeTree(temporaryFolder(), python.main) });
      const ready = async (): Promise<TestContainer> => {
        const one = new TestContainer(backend, transport, fn);
        made.push(one);
        await one.started();
        return one;
      };
      const warm = await ready();
      const before = await rig.images();
      expect(before.length).toBeGreaterThan(0);
      for (const image of before) await rig.ctr('images', 'remove', '--sync', image);
      expect(await rig.images()).toEqual([]);
      expect((await warm.invoke({})).errorClass).toBe(null);
      expect((await (await ready()).invoke({})).errorClass).toBe(null);
      await backend.release(fn);
    });

    it('brings back what it needs when its namespace is emptied', async () => {
      const fn = await rig.register();
      expect((await rig.worker.invoke(fn, {})).outcome.errorClass).toBe(null);
      const flying = rig.worker.invoke(fn, { do: 'sleep', seconds: 30 });
      await expect.poll(() => rig.worker.engine.status().running, SOON).toBe(1);
      await emptied(rig);
      expect((await flying).outcome.errorClass).toBe('crashed');
      await rig.worker.clean();
      const { outcome, result } = await rig.worker.invoke(fn, { n: 7 });
      expect([outcome.errorClass, result]).toMatchObject([null, { args: { n: 7 }, calls: 1 }]);
      await rig.worker.clean();
    });

    it('ends a task whose container somebody has removed', async () => {
      const one = await container();
      const client = new ContainerdClient({ address: daemon.address, namespace: rig.namespace });
      const [id = ''] = linesOf(await rig.ctr('containers', 'list', '--quiet'));
      await client.call('Containers.Delete', client.containers.delete, client.containers, { id });
      client.close();
      expect((await one.invoke({})).errorClass).toBe(null);
      await one.destroy();
      expect(linesOf(await rig.ctr('tasks', 'list', '--quiet'))).toEqual([]);
    });
  });

  describe('beside another backend', () => {
    let other: Harness;
    let rig: ContainerdRig;

    beforeAll(async () => {
      other = await startSimulatedBackend();
      rig = await ContainerdRig.start({ daemon, others: [other.backend] });
    });
    afterAll(async () => {
      await rig?.close();
      await other?.close();
    });

    it('waits for a daemon that stands still, and for nothing else', async () => {
      const fn = await rig.register();
      const source = writeTree(temporaryFolder(), simulated.main);
      const beside = await rig.worker.register({ name: 'beside', source, backends: ['simulated'], memoryMb: 64 });
      expect((await rig.worker.invoke(fn, {})).outcome.errorClass).toBe(null);
      const cold = await rig.register();
      const hasty = await rig.register({ startupTimeoutMs: 200 });
      process.kill(daemon.pid, 'SIGSTOP');
      try {
        const waiting = rig.worker.invoke(cold, { n: 1 });
        const late = rig.worker.invoke(hasty, {});
        for (let n = 1; n <= 5; n++) {
          expect((await rig.worker.invoke(beside, {})).outcome.errorClass).toBe(null);
          expect((await rig.worker.invoke(fn, {})).result).toMatchObject({ calls: n + 1 });
        }
        await new Promise((resolve) => setTimeout(resolve, 3_000));
        process.kill(daemon.pid, 'SIGCONT');
        expect((await waiting).outcome.errorClass).toBe(null);
        expect((await late).outcome).toMatchObject({
          errorClass: 'start_failed',
          message: expect.stringContaining('200 ms'),
        });
      } finally {
        process.kill(daemon.pid, 'SIGCONT');
      }
      await rig.worker.clean();
      await expect.poll(() => rig.leftovers(), SOON).toEqual([]);
    });
  });
});

/** As somebody with every right in containerd would do it. */
async function emptied(rig: ContainerdRig): Promise<void> {
  const of = async (...args: string[]): Promise<string[]> => linesOf(await rig.ctr(...args));
  // The worker is told of an end, and takes the container away itself meanwhile.
  for (const id of await of('tasks', 'list', '--quiet'))
    await rig.ctr('tasks', 'delete', '--force', id).catch(() => '');
  for (const id of await of('containers', 'list', '--quiet')) await rig.ctr('containers', 'delete', id).catch(() => '');
  for (const id of await of('leases', 'list', '--quiet')) await rig.ctr('leases', 'delete', id);
  for (const name of await rig.images()) await rig.ctr('images', 'remove', '--sync', name);
  const snapshots = async (): Promise<string[]> => {
    const [, ...rows] = await of('snapshots', 'list');
    return rows.map((row) => row.split(/\s+/)[0] as string);
  };
  // Those that others stand upon go last.
  for (let round = 0; round < 10 && (await snapshots()).length > 0; round++) {
    for (const key of await snapshots()) await rig.ctr('snapshots', 'remove', key).catch(() => '');
  }
  for (const digest of await of('content', 'list', '--quiet'))
    await rig.ctr('content', 'delete', digest).catch(() => '');
  expect([await snapshots(), await rig.images(), await rig.leases()]).toEqual([[], [], []]);
}

function commandOf(pid: number): string {
  return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
}

function counters(rig: ContainerdRig): Readonly<Record<string, number>> {
  return rig.harness.backend.health().counters;
}
