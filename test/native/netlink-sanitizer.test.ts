import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/**
 * The netlink module's C++ under the address and undefined-behaviour sanitizers: mutated datagrams, and (as root) links and namespaces in a network
 * namespace of the program's own.
 */
const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));

let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-netlink-native-'));
  program = join(folder, 'netlink_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const files = readdirSync(join(native, 'netlink'))
    .filter((name) => name.endsWith('.cc') && name !== 'binding.cc')
    .map((name) => join(native, 'netlink', name));
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', program]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('netlink in C++, sanitized', () => {
  const seed = process.env['ILUVATAR_FUZZ_SEED'] ?? '20261122';
  it.each([seed, `${Number(seed) + 1}`])('passes its tests and 20,000 mutated datagrams of seed %s', async (value) => {
    const work = join(folder, value);
    mkdirSync(work);
    const { stdout } = await run(program, [value, '20000', work]);
    const live = process.getuid?.() === 0 ? 'live\n' : '';
    expect(stdout).toBe(`seed ${value}, 20000 rounds\n${live}ok\n`);
  });
});
