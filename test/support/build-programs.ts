import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { bundleOptions } from '../../scripts/bundle.mjs';
import { PACKAGE_ROOT } from '../../src/package-files.js';
import { PROGRAMS_FOLDER, TEST_PROGRAMS } from './test-program.js';

/** Builds the tests' own programs, always anew, so that none is of yesterday. */
export async function buildPrograms(): Promise<void> {
  await Promise.all(TEST_PROGRAMS.map((name) => buildProgram(name)));
}

async function buildProgram(name: string): Promise<void> {
  const { outputFiles } = await build({
    ...bundleOptions(),
    entryPoints: [join(PACKAGE_ROOT, 'test', `${name}.ts`)],
    outbase: join(PACKAGE_ROOT, 'test'),
    outdir: PROGRAMS_FOLDER,
    write: false,
    splitting: true,
    sourcemap: false,
    chunkNames: `chunks/${name.replaceAll('/', '-')}/[name]-[hash]`,
  });
  // Renamed into place: another run of tests may be starting the same program.
  for (const { path, contents } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    const beside = `${path}.${process.pid}`;
    writeFileSync(beside, contents);
    renameSync(beside, path);
  }
}
