import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The pure C++ of the containerd shim under the address and undefined-behaviour sanitizers: unit tests and a fuzzer. */

const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));
const seed = process.env.ILUVATAR_FUZZ_SEED ?? '20261122';
let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-shim-native-'));
  program = join(folder, 'shim_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const pure = ['protobuf', 'ttrpc', 'messages', 'spec', 'spec_mounts', 'spec_limits', 'shim_test'];
  const files = [...pure.map((name) => `${native}/shim/${name}.cc`), `${native}/sandbox/json.cc`];
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', program]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the shim in C++, sanitized', () => {
  it.each([seed, `${Number(seed) + 1}`])('passes its tests and 20,000 mutated texts of seed %s', async (value) => {
    const { stdout } = await run(program, [value, '20000']);
    expect(stdout).toBe(`seed ${value}, 20000 rounds\nok\n`);
  });
});
