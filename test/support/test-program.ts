import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/package-files.js';
import type { ThreadFile } from '../../src/worker/thread-file.js';

/**
 * Tests' own programs and threads, as paths below `test`. They are put together with what they import of ours, as the build does it, before the first suite (`build-programs.ts`): loaded as TypeScript,
 * module by module, each start of one would cost more than all that it does.
 */
export const TEST_PROGRAMS = [
  'arm64/parse',
  'daemon/support/stuck-shard',
  'daemon/support/supervised-process',
  'store/support/open-as-other',
  'worker/supervision/faulty-lifecycle',
  'worker/supervision/faulty-process',
  'worker/supervision/faulty-shard',
  'worker/supervision/leaving-shard',
  'worker/support/crashing-shard',
  'worker/support/faulty-shard',
] as const;

export type TestProgram = (typeof TEST_PROGRAMS)[number];

export function testProgram(name: TestProgram): ThreadFile {
  return { filename: join(PACKAGE_ROOT, '.iluvatar/programs/test', `${name}.js`), execArgv: [] };
}
