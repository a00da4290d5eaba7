import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** The pure C++ of the sandbox and cgroup modules under the address and undefined-behaviour sanitizers: unit tests and fuzzers. */

const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));
const seed = process.env.ILUVATAR_FUZZ_SEED ?? '20261122';
const seeds = [seed, `${Number(seed) + 1}`];
let folder = '';

async function build(name: string, sources: string[]): Promise<void> {
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const files = sources.map((source) => `${native}/${source}.cc`);
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', join(folder, name)]);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-sandbox-native-'));
  await build(
    'sandbox',
    ['json', 'config', 'seccomp', 'wire', 'sandbox_test'].map((name) => `sandbox/${name}`),
  );
  const cgroup = readdirSync(join(native, 'cgroup')).filter((name) => name.endsWith('.cc') && name !== 'binding.cc');
  await build(
    'cgroup',
    cgroup.map((name) => `cgroup/${name.slice(0, -3)}`),
  );
}, 180_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('in C++, sanitized', () => {
  it.each(seeds)('the sandbox passes its tests and 20,000 mutated metas of seed %s', async (value) => {
    const { stdout } = await run(join(folder, 'sandbox'), [value, '20000']);
    expect(stdout).toBe(`seed ${value}, 20000 rounds\nok\n`);
  });

  it.each(seeds)('the cgroup readers pass their tests and 500 mutated trees of seed %s', async (value) => {
    const work = join(folder, `tree-${value}`);
    mkdirSync(work);
    const { stdout } = await run(join(folder, 'cgroup'), [value, '500', work]);
    expect(stdout).toBe(`seed ${value}, 500 rounds\nok\n`);
  });
});
