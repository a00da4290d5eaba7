import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ENTRY_POINTS } from './entry-points.mjs';
import { root } from './run.mjs';

/**
 * Puts modules together into few files, since to load three hundred of them is most of what a start costs. Names stay as they are and nothing is minified: stack traces and flame graphs are read by people.
 * Of packages only those are taken in that are pure JavaScript in many modules and are used in part (`BUNDLED`); NOTICE names them.
 */

/** zod: of its hundred modules half are languages that we do not speak. */
export const BUNDLED = ['zod'];

/** Builds the entry points of `src` into `outdir`. Resolves like `run`. */
export async function bundle(outdir) {
  const { build } = await import('esbuild');
  const options = bundleOptions();
  try {
    for (const entry of ENTRY_POINTS) {
      await build({
        ...options,
        entryPoints: [join(root, 'src', `${entry}.ts`)],
        outbase: join(root, 'src'),
        outdir,
        // What is imported when it is needed stays a file of its own.
        splitting: true,
        chunkNames: `chunks/${entry.replaceAll('/', '-')}/[name]-[hash]`,
      });
    }
    return { code: 0, output: '' };
  } catch (error) {
    return { code: 1, output: error.message };
  }
}

/** How anything of ours is put together, also a test's or bench's own program. */
export function bundleOptions() {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const packages = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !BUNDLED.includes(name));
  return {
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    external: packages.flatMap((name) => [name, `${name}/*`]),
    sourcemap: true,
    sourcesContent: false,
    legalComments: 'linked',
    logLevel: 'silent',
  };
}
