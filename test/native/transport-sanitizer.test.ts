import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The transport's pure C++ under the address and undefined-behaviour sanitizers: unit tests, and fuzzers of both dialects. */
const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));
const sources = [
  'frame',
  'payload_store',
  'out_queue',
  'connection',
  'unix_socket',
  'transport_test',
  'hand_over_test',
];

let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-transport-native-'));
  program = join(folder, 'transport_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const http2 = readdirSync(`${native}/http2`).filter((name) => name.endsWith('.cc') && !name.endsWith('_test.cc'));
  const files = [
    ...sources.map((name) => `${native}/transport/${name}.cc`),
    ...http2.map((name) => `${native}/http2/${name}`),
  ];
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', program]);
}, 120_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('transport in C++, sanitized', () => {
  const seed = process.env['ILUVATAR_FUZZ_SEED'] ?? '20261122';
  it.each([seed, `${Number(seed) + 1}`])('passes its tests and 20,000 fuzzed streams of seed %s', async (value) => {
    const { stdout } = await run(program, [value, '20000']);
    expect(stdout).toBe(`seed ${value}, 20000 rounds\nok\n`);
  });
});
