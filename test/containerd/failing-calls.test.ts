import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../src/core/index.js';
import { python } from '../backends/support/dialects.js';
import { prepare } from '../backends/support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from '../backends/support/temporary.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';
import { FAILURE_MODES, FailingSocket } from './failing-socket.js';
import { ContainerdRig, NEEDS, RUNTIMES } from './rig.js';

/**
 * The k-th call to containerd fails, for all k and in each way, in the life of one container and of an image: whoever waits is answered as the class of the failure demands, nothing is
 * left, the accounts are right, and what comes next runs.
 */
const MAKING = ['Containers/Create', 'Tasks/Create', 'Tasks/Start'];
const LIMIT_MS = 240_000;
const SOON = { timeout: 15_000 };

describeWith(NEEDS, 'a failing call to containerd', () => {
  let daemon: ContainerdDaemon;
  let failing: FailingSocket;
  let folder: string;

  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
    folder = mkdtempSync(join(tmpdir(), 'iluvatar-containerd-faults-'));
    failing = new FailingSocket(daemon.address, folder);
    await failing.listen();
  });
  afterAll(async () => {
    await failing?.close();
    await daemon?.close();
    rmSync(folder, { recursive: true, force: true });
    removeTemporaryFolders();
  });

  describe('around an image', () => {
    let rig: ContainerdRig;

    beforeAll(async () => {
      failing.arm(0);
      rig = await ContainerdRig.start({ daemon, address: failing.path });
    });
    afterAll(async () => {
      failing.arm(0);
      await rig?.close();
    });

    it.each(FAILURE_MODES)(
      'for all k: %s',
      async (mode) => {
        const { backend } = rig.harness;
        const definition = { name: 'image', source: writeTree(temporaryFolder(), python.main) };
        for (let k = 1; ; k++) {
          failing.arm(k, mode);
          const made = await prepare(backend, definition).catch((error: Error) => error);
          if (made instanceof Error) expect(made).toMatchObject({ name: 'IluvatarError', errorClass: 'unavailable' });
          else await backend.release(made);
          const reached = failing.calls.length >= k;
          const call = `${k}: ${failing.calls[k - 1]}`;
          failing.arm(0);
          await expect.poll(() => rig.healthy, SOON).toBe(true);
          // What could not be taken away goes with the next.
          await backend.release(await prepare(backend, definition));
          expect([call, await rig.leases(), await rig.images()]).toEqual([call, [], []]);
          if (!reached) break;
          expect(k).toBeLessThan(100);
        }
      },
      LIMIT_MS,
    );
  });

  describe.each(RUNTIMES)('around a container, with the runtime %s', (runtime) => {
    let rig: ContainerdRig;
    let fn: FunctionRecord;

    beforeAll(async () => {
      failing.arm(0);
      rig = await ContainerdRig.start({ daemon, runtime, address: failing.path });
      fn = await rig.register();
    });
    afterAll(async () => {
      failing.arm(0);
      await rig?.close();
    });

    /** A cold start, a run, and the end of the container. */
    async function life(): Promise<{ errorClass: string | null; causes: string[] }> {
      const { outcome, result } = await rig.worker.invoke(fn, { n: 1 });
      if (outcome.errorClass === null) expect(result).toMatchObject({ args: { n: 1 }, calls: 1 });
      await rig.worker.clean();
      const causes = (outcome.details?.evidence?.['causes'] ?? []) as { message: string }[];
      return { errorClass: outcome.errorClass, causes: causes.map(({ message }) => message) };
    }

    async function nothingLeft(call: string): Promise<void> {
      failing.arm(0);
      const { memory, cpu, queue, starting, running } = rig.worker.engine.status();
      expect([memory.totalMb, cpu.used, queue.length, starting, running]).toEqual([0, 0, 0, 0, 0]);
      expect(rig.worker.engine.checkInvariants()).toEqual([]);
      expect(rig.counter('containers')).toBe(0);
      await expect.poll(() => rig.healthy, SOON).toBe(true);
      await expect.poll(() => rig.leftovers(), { ...SOON, message: call }).toEqual([]);
      expect(await rig.leases()).toHaveLength(1);
    }

    it.each(FAILURE_MODES)(
      'for all k: %s',
      async (mode) => {
        failing.arm(0);
        expect(await life()).toEqual({ errorClass: null, causes: [] });
        const calls = [...failing.calls];
        expect(calls.slice(0, MAKING.length)).toEqual(MAKING);
        expect(calls).toContain('Tasks/Delete');
        expect(calls.at(-1)).toBe('Containers/Delete');
        await nothingLeft('none');
        for (let k = 1; ; k++) {
          failing.arm(k, mode);
          const before = rig.counter('created');
          const { errorClass, causes } = await life();
          const call = `${k}: ${failing.calls[k - 1]}`;
          // How often an end is asked for depends on how soon the process is gone.
          if (failing.calls.length < k) break;
          const inMaking = k <= MAKING.length;
          // A daemon that may be away is asked again; one that says that it failed is believed. Ends are nobody's failure.
          const told = inMaking && mode === 'internal';
          expect([call, errorClass]).toEqual([call, told ? 'start_failed' : null]);
          expect([call, rig.counter('created') - before]).toEqual([call, inMaking && !told ? 2 : 1]);
          if (told) expect(causes).toEqual([expect.stringContaining('a failure that the test has made')]);
          await nothingLeft(call);
          expect([call, (await life()).errorClass]).toEqual([call, null]);
          await nothingLeft(call);
          expect(k).toBeLessThan(100);
        }
      },
      LIMIT_MS,
    );
  });
});
