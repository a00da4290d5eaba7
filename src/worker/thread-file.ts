import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { CODE, FROM_SOURCE, PACKAGE_ROOT } from '../package-files.js';

/** What piscina needs to run a module of ours in a thread, from built files and (development) from TypeScript source alike. */
export interface ThreadFile {
  filename: string;
  execArgv: string[];
}

/** An entry point of the build (`scripts/entry-points.mjs`), as its path below `src`, without extension: `worker/shard-task`. */
export function threadFile(name: string): ThreadFile {
  if (!FROM_SOURCE) return { filename: join(CODE, `${name}.js`), execArgv: [] };
  const register = pathToFileURL(join(PACKAGE_ROOT, 'scripts/register-typescript.mjs'));
  return { filename: join(CODE, `${name}.ts`), execArgv: ['--import', register.href] };
}
