import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

/** Run by `npm test` beside the suites, at the lowest priority: see builds.ahead.ts. */
export default defineConfig({
  test: {
    root: fileURLToPath(new URL('../..', import.meta.url)),
    include: ['test/ahead/*.ahead.ts'],
    pool: 'forks',
    cache: false,
    testTimeout: 900_000,
  },
});
