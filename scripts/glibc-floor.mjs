import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SetupError } from './setup-error.mjs';

/**
 * Which C library a file for 64-bit ARM needs, and how to need an older one: a compiler binds every function to the newest version that its own C library has of it, and so to systems that are as new. A
 * linker that is shown a library with the older versions alone binds to those.
 */
const PREFIX = 'aarch64-linux-gnu-';

/** What the JetPacks have: 5 is Ubuntu 20.04, 6 is 22.04, 7 is 24.04. */
export const JETPACK_GLIBC = { 5: '2.31', 6: '2.35', 7: '2.39' };

/** The highest version that a file asks for, and which symbols it asks it of; version null = it is static. */
export function neededGlibc(file) {
  const needed = dynamicSymbols(file).filter(({ defined }) => !defined);
  let version = null;
  for (const { version: own } of needed) if (own !== null && compare(own, version ?? '0') > 0) version = own;
  const symbols = needed.filter(({ version: own }) => own !== null && own === version).map(({ name }) => name);
  return { version, symbols };
}

/** What must be there and nobody names a version of: symbols of Node, or else such that no C library was found to have. */
export function unversionedSymbols(file) {
  return dynamicSymbols(file)
    .filter(({ defined, weak, version }) => !defined && !weak && version === null)
    .map(({ name }) => name);
}

/** Makes a `libc.so` in `folder`, to be linked with only, which has nothing newer than `floor`. */
export function makeOldLibc(folder, floor) {
  mkdirSync(folder, { recursive: true });
  const real = output('g++', ['-print-file-name=libc.so.6']).trim();
  const chosen = new Map();
  for (const { name, version, defined, type } of dynamicSymbols(real)) {
    if (!defined || version === null || compare(version, floor) > 0 || !['FUNC', 'IFUNC', 'OBJECT'].includes(type))
      continue;
    const before = chosen.get(name);
    if (before === undefined || compare(version, before.version) > 0) chosen.set(name, { version, type });
  }
  const lines = ['.text'];
  let count = 0;
  for (const [name, { version, type }] of chosen) {
    const label = `stub_${count++}`;
    lines.push(
      `.globl ${label}`,
      `.type ${label}, %${type === 'OBJECT' ? 'object' : 'function'}`,
      `${label}: .space 8`,
    );
    lines.push(`.size ${label}, 8`, `.symver ${label}, ${name}@@GLIBC_${version}, remove`);
  }
  const versions = [...new Set([...chosen.values()].map(({ version }) => version))].sort(compare);
  const script = versions.map(
    (version, i) =>
      `GLIBC_${version} {${i === 0 ? ' local: stub_*; ' : ''}}${i === 0 ? '' : ` GLIBC_${versions[i - 1]}`};`,
  );
  writeFileSync(join(folder, 'stub.s'), `${lines.join('\n')}\n`);
  writeFileSync(join(folder, 'stub.map'), `${script.join('\n')}\n`);
  const stub = join(folder, 'libc-stub.so');
  const shared = ['-shared', '-nostdlib', '-Wl,-soname,libc.so.6', `-Wl,--version-script=${join(folder, 'stub.map')}`];
  output('gcc', [...shared, join(folder, 'stub.s'), '-o', stub]);
  // What a program has a copy of its own of (atexit) is in an archive beside.
  const archive = output('g++', ['-print-file-name=libc_nonshared.a']).trim();
  writeFileSync(join(folder, 'libc.so'), `GROUP ( ${stub} ${archive} )\n`);
}

/** As `readelf` lists them. A version is that of glibc; null = none, or not one for everybody. */
function dynamicSymbols(file) {
  const symbols = [];
  for (const line of output('readelf', ['--dyn-syms', '--wide', file]).split('\n')) {
    const match = /^\s*\d+: [0-9a-f]+\s+\S+\s+(\w+)\s+(\w+)\s+\w+\s+(?:\[.*\]\s+)?(\w+) ([^@\s]+)(?:@+(\S+))?/.exec(
      line,
    );
    if (match === null) continue;
    const [, type, binding, section, name, full] = match;
    if (full !== undefined && !/^GLIBC_[\d.]+$/.test(full)) continue;
    symbols.push({
      type,
      name,
      weak: binding === 'WEAK',
      defined: section !== 'UND',
      version: full?.slice('GLIBC_'.length) ?? null,
    });
  }
  return symbols;
}

function output(name, args) {
  const { status, stdout, stderr, error } = spawnSync(`${PREFIX}${name}`, args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new SetupError(`${PREFIX}${name} failed: ${error?.message ?? stderr.slice(-2000)}`);
  return stdout;
}

/** "2.9" before "2.31". */
export function compare(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
