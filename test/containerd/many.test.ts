import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { STAGES } from '../../src/backends/oci/stage.js';
import { python } from '../backends/support/dialects.js';
import { prepare, TestContainer } from '../backends/support/harness.js';
import { removeTemporaryFolders, temporaryFolder, writeTree } from '../backends/support/temporary.js';
import { ContainerdDaemon } from '../support/containerd-daemon.js';
import { describeWith } from '../support/requirement.js';
import { ContainerdRig, NEEDS, RUNTIMES } from './rig.js';

/** Many containers at once: all of them come, and no step is ever in more hands than its limit says. */
const MANY = 64;
const STARTUP_MS = 120_000;

describeWith(NEEDS, '64 containers at once', () => {
  let daemon: ContainerdDaemon;

  beforeAll(async () => {
    daemon = await ContainerdDaemon.start();
  });
  afterAll(async () => {
    await daemon?.close();
    removeTemporaryFolders();
  });

  const LIMITS = [
    ['found by trying', { network: 0, create: 0, start: 0, ready: 0 }],
    ['as configured', { network: 5, create: 3, start: 2, ready: 4 }],
  ] as const;

  describe.each(RUNTIMES)('with the runtime %s', (runtime) => {
    it.each(LIMITS)(
      'are made within limits %s',
      async (_how, stages) => {
        const rig = await ContainerdRig.start({ daemon, runtime, config: { stages } });
        try {
          const { backend, transport } = rig.harness;
          const source = writeTree(temporaryFolder(), python.main);
          const fn = await prepare(backend, { name: 'many', source, memoryMb: 64, startupTimeoutMs: STARTUP_MS });
          const made = Array.from({ length: MANY }, () => new TestContainer(backend, transport, fn));
          await Promise.all(made.map((one) => one.started()));
          for (const name of ['network', 'create', 'start', 'ready'] as const) {
            const most = rig.counter(`${name}Most`);
            const highest = stages[name] === 0 ? 64 : stages[name];
            expect([name, most >= 1 && most <= highest]).toEqual([name, true]);
            const ended = (): unknown[] => [name, rig.counter(`${name}Ended`), rig.counter(`${name}Waiting`)];
            await expect.poll(ended).toEqual([name, MANY, 0]);
          }
          const answers = await Promise.all(made.map((one, n) => one.invoke({ n }, STARTUP_MS)));
          expect(answers.map(({ result }) => (result as { args: { n: number } }).args.n)).toEqual(
            made.map((_, n) => n),
          );
          await Promise.all(made.map((one) => one.destroy()));
          expect(STAGES.map((name) => rig.counter(`${name}Running`))).toEqual(STAGES.map(() => 0));
          await expect.poll(() => rig.leftovers(), { timeout: 20_000 }).toEqual([]);
          await backend.release(fn);
        } finally {
          await rig.close();
        }
      },
      240_000,
    );
  });
});
