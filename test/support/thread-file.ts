import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../src/package-files.js';
import type { ThreadFile } from '../../src/worker/thread-file.js';

/** In the place of `src/worker/thread-file.ts` (vitest.config.ts): what is started is the built module, which `global-setup.ts` has brought up to date. */
export function threadFile(name: string): ThreadFile {
  return { filename: join(PACKAGE_ROOT, 'dist', `${name}.js`), execArgv: [] };
}
