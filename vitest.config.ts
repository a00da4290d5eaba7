import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The longest, in this order: one that begins last has the other workers wait for it. */
const FIRST = [
  'test/vm/machine.test.ts',
  'test/recovery/failpoints.test.ts',
  'test/recovery/adopt-engines.test.ts',
  'test/daemon/upgrade.test.ts',
  'test/containerd/failing-calls.test.ts',
  'test/recovery/failpoints-engines.test.ts',
];

/** Those for which something is built meanwhile (test/ahead), in the order in which it is. */
const LAST = [
  'test/grpc/clients.test.ts',
  'test/grpc/grpcurl.test.ts',
  'test/grpc/ghz.test.ts',
  'test/grpc/h2spec.test.ts',
  'test/telemetry/tracing/collector.test.ts',
  'test/arm64/tegrastats.test.ts',
];

class Sequencer extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification): number => {
      const named = (path: string): boolean => moduleId.includes(path);
      const first = FIRST.findIndex(named);
      return first >= 0 ? first - FIRST.length : LAST.findIndex(named) + 1;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}

/** Suites that compute and compile, and wait for nobody: however slow the machine is at the time, they see nothing of it. */
const COMPUTING = ['bench', 'config', 'core', 'native', 'results', 'sim'].map((name) => `test/${name}/**/*.test.ts`);

/**
 * Three steps, one after the other: the suites of workers; those in the virtual machine, which keeps more than one core busy (beside the others it took nearly twice as long, and so did they), and
 * those that only compute; and last, alone, the check that they all left nothing on the machine.
 * Forks, not threads: an addon that crashes must take one file with it and not the run.
 */
export default defineConfig({
  resolve: {
    // Threads and processes of our own run the build: from TypeScript each would take five times as long to start, and most of a run is starts.
    alias: [
      {
        find: /^.*\/thread-file\.js$/,
        replacement: fileURLToPath(new URL('./test/support/thread-file.ts', import.meta.url)),
      },
    ],
  },
  test: {
    pool: 'forks',
    // More than there are cores: a third of the time of a suite is waiting.
    maxWorkers: 3,
    sequence: { sequencer: Sequencer },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    // Of what becomes true by itself. A second, which is what it is otherwise, is over quickly on a machine that does something else besides.
    expect: { poll: { timeout: 30_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: 'main',
          include: ['test/**/*.test.ts'],
          exclude: ['test/vm/**', 'test/zz-leftovers/**', ...COMPUTING],
          globalSetup: ['test/support/global-setup.ts'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'vm',
          include: ['test/vm/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
          // Emulated, and at first there is an image to make.
          testTimeout: 600_000,
          hookTimeout: 900_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'computing',
          include: COMPUTING,
          globalSetup: ['test/support/global-setup.ts'],
          sequence: { groupOrder: 1 },
          maxWorkers: 2,
        },
      },
      {
        extends: true,
        test: {
          name: 'leftovers',
          include: ['test/zz-leftovers/**/*.test.ts'],
          globalSetup: ['test/support/global-setup.ts'],
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
