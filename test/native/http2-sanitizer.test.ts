import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** HTTP/2 in C++ under the address and undefined-behaviour sanitizers: the examples of HPACK's specification, unit tests, and a fuzzer of frames. */
const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));

let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-http2-native-'));
  program = join(folder, 'http2_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const own = readdirSync(join(native, 'http2')).filter((name) => name.endsWith('.cc'));
  const shared = ['out_queue.cc', 'payload_store.cc'].map((name) => join(native, 'transport', name));
  const files = [...own.map((name) => join(native, 'http2', name)), ...shared];
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', program]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('HTTP/2 in C++, sanitized', () => {
  const seed = process.env['ILUVATAR_FUZZ_SEED'] ?? '20261129';
  it.each([seed, `${Number(seed) + 1}`])(
    'passes its tests and 20,000 fuzzed connections of seed %s',
    async (value) => {
      const { stdout } = await run(program, [value, '20000']);
      expect(stdout).toBe(`seed ${value}, 20000 rounds\nok\n`);
    },
    120_000,
  );
});
