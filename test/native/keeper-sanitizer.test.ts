import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The keeper's parts under the address and undefined-behaviour sanitizers: what is held, slow and vanished clients, and mutated datagrams. */
const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));
const sources = ['protocol', 'shelf', 'server', 'marks', 'keeper_test'];

let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-keeper-native-'));
  program = join(folder, 'keeper_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const files = sources.map((name) => `${native}/keeper/${name}.cc`);
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', program]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the keeper in C++, sanitized', () => {
  const seed = process.env['ILUVATAR_FUZZ_SEED'] ?? '20261128';
  it.each([seed, `${Number(seed) + 1}`])('passes its tests and 20,000 hostile clients of seed %s', async (value) => {
    const { stdout } = await run(program, [value, '20000']);
    expect(stdout).toBe(`seed ${value}, 20000 rounds\nok\n`);
  });
});
