import { IluvatarError } from '../../../src/core/errors.js';
import { openLmdbStore } from '../../../src/store/open-lmdb-store.js';
import { CHECK_PROGRAM } from './store-folder.js';

/** Opens the store in the folder of its first argument as `nobody`, and prints how that failed. Modules are loaded before: `nobody` might not read them. */
const log = { info: () => {}, warn: () => {} };
process.setgid?.(65534);
process.setuid?.(65534);
try {
  await openLmdbStore({
    folder: process.argv[2] as string,
    maxBytes: 1 << 20,
    lazyMs: 50,
    program: CHECK_PROGRAM,
    log,
  });
  process.stdout.write('opened\n');
} catch (error) {
  const text = error instanceof IluvatarError ? `${error.errorClass}: ${error.message}` : String(error);
  process.stdout.write(`${text}\n`);
}
