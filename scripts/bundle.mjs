import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { ENTRY_POINTS } from './entry-points.mjs';
import { root } from './run.mjs';

/**
 * Puts modules together into few files, since to load three hundred of them is most of what a start costs. Names stay as they are and nothing is minified: stack traces and flame graphs are read by people.
 */

/** Packages that are taken in: pure JavaScript in many modules, of which we use a part. Of zod half are languages that we do not speak. */
export const BUNDLED = ['@hono/node-server', 'croner', 'hono', 'zod'];

/** Writes the entry points of `src` into `folder`, which will be `dist`. Resolves like `run`. */
export async function bundle(folder) {
  const { build } = await import('esbuild');
  const dist = join(root, 'dist');
  try {
    for (const entries of ENTRY_POINTS) {
      const { outputFiles } = await build({
        ...bundleOptions(),
        entryPoints: entries.map((entry) => join(root, 'src', `${entry}.ts`)),
        outbase: join(root, 'src'),
        // Where they will be, so that their maps point at the sources from there.
        outdir: dist,
        write: false,
        // What is imported when it is needed stays a file of its own.
        splitting: true,
        chunkNames: `chunks/${entries[0].replaceAll('/', '-')}/[name]-[hash]`,
      });
      for (const { path, contents } of outputFiles) {
        const file = join(folder, relative(dist, path));
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, contents);
      }
    }
    writeFileSync(join(folder, 'licenses.txt'), licenses());
    return { code: 0, output: '' };
  } catch (error) {
    return { code: 1, output: error.message };
  }
}

/** Whoever passes on what was taken in passes on its licence. */
function licenses() {
  const texts = BUNDLED.map((name) => {
    const folder = join(root, 'node_modules', name);
    const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    return `${name} ${version}\n\n${readFileSync(join(folder, 'LICENSE'), 'utf8').trim()}\n`;
  });
  return `Parts of these packages are in the files of this folder:\n\n${texts.join(`\n${'-'.repeat(80)}\n\n`)}`;
}

/**
 * Builds a program of the workshop's own (a test's, a bench's) with what it imports of ours, always anew: `<folder>/<name>.ts`. Resolves with the path of what is to be run.
 */
export async function buildProgram(folder, name) {
  const { build } = await import('esbuild');
  const outdir = join(root, '.iluvatar', 'programs', relative(root, folder));
  const { outputFiles } = await build({
    ...bundleOptions(),
    entryPoints: [join(folder, `${name}.ts`)],
    outbase: folder,
    outdir,
    write: false,
    splitting: true,
    sourcemap: false,
    chunkNames: `chunks/${name.replaceAll('/', '-')}/[name]-[hash]`,
  });
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    // Renamed into place: somebody else may be starting the same program.
    const beside = `${path}.${process.pid}`;
    writeFileSync(beside, contents);
    renameSync(beside, path);
  }
  return join(outdir, `${name}.js`);
}

/** How anything of ours is put together. */
function bundleOptions() {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const packages = Object.keys({ ...dependencies, ...optionalDependencies }).filter((name) => !BUNDLED.includes(name));
  return {
    plugins: [leaveOut(packages), onlyUsedClients()],
    absWorkingDir: root,
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    sourcemap: true,
    sourcesContent: false,
    // Those of the packages are in `licenses.txt`, whole.
    legalComments: 'none',
    logLevel: 'silent',
  };
}

/** Packages that stay what they are. Each is imported for what it exports: an import of which nothing is used goes. */
function leaveOut(packages) {
  const filter = new RegExp(`^(?:${packages.map((name) => name.replace('.', '\\.')).join('|')})(?:/|$)`);
  return {
    name: 'packages',
    setup: ({ onResolve }) => onResolve({ filter }, ({ path }) => ({ path, external: true, sideEffects: false })),
  };
}

/** A generated client is made as its file is loaded: one of a service that is only served would bring all of gRPC's own implementation along. */
function onlyUsedClients() {
  const made = '= makeGenericClientConstructor(';
  return {
    name: 'only used clients',
    setup: ({ onLoad }) =>
      onLoad({ filter: /\/src\/rpc\/gen\/.*\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, 'utf8');
        return { contents: text.replaceAll(made, made.replace('= ', '= /* @__PURE__ */ ')), loader: 'ts' };
      }),
  };
}
