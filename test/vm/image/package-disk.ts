import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from '../../house/process.js';
import { command } from '../../support/command.js';

/**
 * A disk with the package as `npm pack` makes it, the addon that was built here, and the modules that an installation without development dependencies has. They are copied out of this
 * repository rather than installed: a test must not depend on a registry.
 */

interface LockedModule {
  dev?: boolean;
}

/** Larger than it ever gets; the file is sparse. */
const DISK_BYTES = 512 * 1024 ** 2;

/** Makes the disk at `disk`, a raw ext4 file system. Throws when the package has not been built. */
export async function makePackageDisk(disk: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-package-'));
  try {
    await command('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder]);
    const archive = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    if (archive === undefined) throw new Error('npm pack made no archive');
    await command('tar', ['-xzf', join(folder, archive), '-C', folder, '--no-same-owner']);
    const installed = join(folder, 'package');
    copyModules(installed);
    writeFileSync(disk, '');
    truncateSync(disk, DISK_BYTES);
    await command('mke2fs', ['-q', '-t', 'ext4', '-O', '^has_journal', '-E', 'root_owner=0:0', '-d', installed, disk]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** npm writes down what it installed and for whom. */
function copyModules(installed: string): void {
  const lock = JSON.parse(readFileSync(join(root, 'node_modules/.package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedModule>;
  };
  mkdirSync(join(installed, 'node_modules'));
  for (const [path, { dev = false }] of Object.entries(lock.packages)) {
    // Optional ones are there where they fit: what LMDB's binding is made for one machine among them.
    if (dev || !existsSync(join(root, path))) continue;
    // Modules inside a module have entries of their own, and some of those are for development only.
    cpSync(join(root, path), join(installed, path), {
      recursive: true,
      filter: (source) => source === join(root, path) || !source.endsWith('/node_modules'),
    });
  }
}
