import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAPTURED_LINES, OWN_LINES } from '../telemetry/jetson/lines.js';

/** The tegrastats module's C++ under the address and undefined-behaviour sanitizers: its parts, and mutated lines, whole and in pieces. */
const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));

let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-tegrastats-native-'));
  program = join(folder, 'tegrastats_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const files = readdirSync(join(native, 'tegrastats'))
    .filter((name) => name.endsWith('.cc') && name !== 'binding.cc')
    .map((name) => join(native, 'tegrastats', name));
  await run('g++', [...flags, ...sanitizers, `-I${native}`, ...files, '-o', program]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('tegrastats in C++, sanitized', () => {
  const seed = process.env['ILUVATAR_FUZZ_SEED'] ?? '20261129';
  const corpus = [OWN_LINES, CAPTURED_LINES].filter((file) => existsSync(file));

  it(`passes its tests and 200,000 mutated lines of seed ${seed}`, async () => {
    const { stdout } = await run(program, [seed, '200000', ...corpus]);
    expect(stdout).toBe(`seed ${seed}, 200000 rounds\nok\n`);
  }, 300_000);
});
