import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Where the files of this package are, for everything that is found by its path: agents, samples, the addon, what threads run. The one place that asks where it is itself: built, modules are
 * put together into few files, and none is any more where it was written.
 */

/** The package's top folder: the nearest one above that has a manifest. */
export const PACKAGE_ROOT = nearestManifest(dirname(fileURLToPath(import.meta.url)));

/** Whether this runs from TypeScript source (development, tests). */
export const FROM_SOURCE = import.meta.url.endsWith('.ts');

/** The folder of our code: `src` or `dist`, which have the same entry points. */
export const CODE = join(PACKAGE_ROOT, FROM_SOURCE ? 'src' : 'dist');

/** Of this package. */
export const VERSION = (JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')) as { version: string })
  .version;

function nearestManifest(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder;
  const above = dirname(folder);
  if (above === folder) throw new Error('this installation of iluvatar is incomplete: it has no package.json');
  return nearestManifest(above);
}
