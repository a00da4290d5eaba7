import { defineConfig } from 'vitest/config';

/**
 * Three projects, one after the other: the suites; those in the virtual machine, which keeps both cores busy; and last, alone, the check that they all left
 * nothing on the machine.
 * Forks, not threads: an addon that crashes must take one file with it and not the run.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    maxWorkers: 2,
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
          exclude: ['test/vm/**', 'test/zz-leftovers/**'],
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
          maxWorkers: 1,
          // Emulated, and at first there is an image to make.
          testTimeout: 600_000,
          hookTimeout: 900_000,
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
