import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../src/core/index.js';
import { describeWith } from '../support/requirement.js';
import type { Dialect } from './support/dialects.js';
import { python, simulated } from './support/dialects.js';
import { DrivenEngine } from './support/driven-engine.js';
import { CREATION_FAULTS, FaultyBackend } from './support/faulty-backend.js';
import { cgroupsOf, type Harness, startProcessBackend, startSimulatedBackend, until } from './support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from './support/temporary.js';

/**
 * The k-th creation fails, for all k and in every way, on every backend: everybody is answered, nothing of the lost container is left, the accounts are right, and what comes next
 * runs.
 */

function describeFaults(
  name: string,
  start: () => Promise<Harness>,
  dialect: Dialect,
  ownedBy: (h: Harness) => number,
): void {
  describe(`creations that fail on ${name}`, () => {
    let harness: Harness;
    let faulty: FaultyBackend;
    let worker: DrivenEngine;
    let fn: FunctionRecord;

    beforeAll(async () => {
      harness = await start();
      faulty = new FaultyBackend(harness.backend);
      worker = new DrivenEngine([faulty], harness.transport, { attempts: 3, backOffMs: 1, maxBackOffMs: 5 });
      const source = writeTree(temporaryFolder(), dialect.main);
      fn = await worker.register({ name: 'f', source, backends: [faulty.name], memoryMb: 64, concurrency: 2 });
    });
    afterEach(() => faulty.fail(0, 'throws'));
    afterAll(async () => {
      await worker?.stop();
      await harness?.close();
      removeTemporaryFolders();
    });

    /** Four invocations and two containers ahead of their use. `lost`: how many of them may fail. */
    async function play(lost: number): Promise<void> {
      const invoked = [1, 2, 3, 4].map((n) => worker.invoke(fn, { n }));
      const warmed = worker.prewarm(fn, 2);
      const answers = await Promise.all(invoked);
      const { ready, attempts } = await warmed;
      let failed = 2 - ready;
      for (const [i, { outcome, result, invocation }] of answers.entries()) {
        if (outcome.errorClass === null) {
          expect([result, invocation.container?.backend]).toMatchObject([{ args: { n: i + 1 } }, faulty.name]);
        } else failed++;
      }
      expect(failed).toBeLessThanOrEqual(lost);
      expect(attempts).toBeGreaterThanOrEqual(2);
    }

    async function nothingLeft(): Promise<void> {
      await worker.clean();
      const { memory, cpu, queue, starting, running } = worker.engine.status();
      expect([memory.totalMb, cpu.used, queue.length, starting, running]).toEqual([0, 0, 0, 0, 0]);
      expect(worker.engine.checkInvariants()).toEqual([]);
      expect(harness.backend.health().counters['containers']).toBe(0);
      await until(() => ownedBy(harness) === 0);
    }

    for (const how of CREATION_FAULTS) {
      it(`for all k: it ${how}`, async () => {
        faulty.fail(0, how);
        await play(0);
        await nothingLeft();
        const all = faulty.creations;
        expect(all).toBeGreaterThanOrEqual(3);
        for (let k = 1; k <= all; k++) {
          faulty.fail(k, how);
          // One that throws says that the backend is not able to: with no other there is no second attempt, and who needed it is told.
          // A container can be both an invocation's and a place of the request.
          await play(how === 'throws' ? 2 : 0);
          expect(faulty.creations).toBeGreaterThanOrEqual(k);
          await nothingLeft();
          expect((await worker.invoke(fn, { n: k })).outcome.errorClass).toBe(null);
          await nothingLeft();
        }
      });
    }
  });
}

/** Cells that wait for a function have cgroups too; those of containers are the ones that are not counted as ready. */
describeWith({ root: true, cgroups: true, command: 'python3' }, 'with real processes', () => {
  describeFaults('process', () => startProcessBackend({ sandbox: { stemCells: 2 } }), python, containersLeft);
});
describeFaults(
  'simulated',
  () => startSimulatedBackend(),
  simulated,
  ({ backend }) => backend.health().counters['containers'] ?? 0,
);

function containersLeft({ backend, config }: Harness): number {
  const { cellsReady = 0, cgroupsReady = 0 } = backend.health().counters;
  const hierarchies = new Set(cgroupsOf(config.name).map((path) => path.split('/iluvatar/')[0])).size;
  return Math.max(0, cgroupsOf(config.name).length / Math.max(1, hierarchies) - cellsReady - cgroupsReady);
}
