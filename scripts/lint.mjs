import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesBelow, root, run, tool } from './run.mjs';

/**
 * Every check that reads the code without running it. `npm run lint`; `npm run format` (= `--fix`) repairs what can be repaired.
 */

const checks = {
  biome: (fix) => run(tool('biome'), ['check', '--error-on-warnings', ...(fix ? ['--write'] : []), '.']),
  types: () => run(tool('tsc'), ['--noEmit', '-p', 'tsconfig.check.json']),
  layers: () => run(tool('depcruise'), ['--config', '.dependency-cruiser.cjs', '--output-type', 'err', 'src']),
  'clang-format': clangFormat,
  'lock file': lockFile,
};

async function clangFormat(fix) {
  const files = ['native', 'functions'].flatMap((name) => filesBelow(join(root, name), ['.h', '.c', '.cc']));
  if (files.length === 0) return { code: 0, output: '' };
  return run(tool('clang-format'), [...(fix ? ['-i'] : ['--dry-run', '-Werror']), ...files]);
}

/**
 * A `resolved` address would tie every installation to the registry mirror of whoever wrote the file, and `npm ci` refuses one that lacks packages:
 * npm leaves out optional ones (other platforms') that the mirror did not have.
 */
async function lockFile() {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const lines = [];
  for (const [path, entry] of Object.entries(packages)) {
    if (entry.resolved !== undefined)
      lines.push(`${path}: has "resolved": npm install --package-lock-only --omit-lockfile-registry-resolved`);
    for (const name of Object.keys(entry.optionalDependencies ?? {})) {
      if (packages[`${path}/node_modules/${name}`] === undefined && packages[`node_modules/${name}`] === undefined) {
        lines.push(
          `${path}: no entry for its optional ${name}, so "npm ci" would refuse: add one with its version, os, cpu and "optional": true`,
        );
      }
    }
  }
  for (const kind of ['dependencies', 'devDependencies']) {
    const locked = packages[''][kind] ?? {};
    for (const name of new Set([...Object.keys(manifest[kind] ?? {}), ...Object.keys(locked)])) {
      if (manifest[kind]?.[name] !== locked[name]) lines.push(`${name}: package.json and package-lock.json disagree`);
    }
  }
  return { code: lines.length === 0 ? 0 : 1, output: lines.join('\n') };
}

/** Runs all checks, prints one line for each and the output of those that fail; resolves with the names of the failed ones. */
export async function lint({ fix = false } = {}) {
  const failed = [];
  const names = Object.keys(checks);
  const results = fix ? await oneByOne(names) : await Promise.all(names.map((name) => checks[name](false)));
  for (const [index, name] of names.entries()) {
    const { code, output } = results[index];
    process.stdout.write(`${code === 0 ? 'ok  ' : 'FAIL'} ${name}\n`);
    if (code === 0) continue;
    failed.push(name);
    process.stdout.write(`${output.trimEnd()}\n`);
  }
  return failed;
}

/** Two tools that write the same files must not run at once. */
async function oneByOne(names) {
  const results = [];
  for (const name of names) results.push(await checks[name](true));
  return results;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const failed = await lint({ fix: process.argv.includes('--fix') });
  process.exitCode = failed.length === 0 ? 0 : 1;
}
