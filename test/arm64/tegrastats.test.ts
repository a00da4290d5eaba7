import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
// @ts-expect-error: a plain script without types.
import { compare, JETPACK_GLIBC, neededGlibc } from '../../scripts/glibc-floor.mjs';
// @ts-expect-error: a plain script without types.
import { OUTPUTS } from '../../scripts/setup.mjs';
import { TegrastatsParser } from '../../src/telemetry/jetson/tegrastats-parser.js';
import { root } from '../house/process.js';
import { command } from '../support/command.js';
import { describeWith } from '../support/requirement.js';
import { testProgram } from '../support/test-program.js';
import { OWN_LINES } from '../telemetry/jetson/lines.js';
import { arm64Addon, arm64Node } from './arm64-build.js';

/** What is built for 64-bit ARM, run: an emulator stands in for the board's processor, Debian's C library for its own. The parser's tests in C++, and the addon in an arm64 Node. */

const COMPILER = 'aarch64-linux-gnu-g++';
const EMULATOR = 'qemu-aarch64-static';
/** Where Debian has the dynamic linker and the libraries of the other machine. */
const LIBRARIES = '/usr/aarch64-linux-gnu';

const seed = process.env['ILUVATAR_FUZZ_SEED'] ?? '20261129';

describeWith({ command: [COMPILER, EMULATOR, 'npm'], file: join(LIBRARIES, 'lib/libc.so.6') }, 'on arm64', () => {
  let folder = '';

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ilu-arm64-'));
  });

  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('the parser passes its tests in C++', async () => {
    const program = join(folder, 'tegrastats_test');
    const native = join(root, 'native');
    const sources = readdirSync(join(native, 'tegrastats'))
      .filter((name) => name.endsWith('.cc') && name !== 'binding.cc')
      .map((name) => join(native, 'tegrastats', name));
    // The only sanitizer that works in the emulator: it traps.
    const flags = ['-std=c++20', '-O1', '-fno-exceptions', '-fno-rtti', '-static', '-fsanitize=undefined'];
    await command(COMPILER, [...flags, '-fsanitize-undefined-trap-on-error', `-I${native}`, ...sources, '-o', program]);
    const output = await command(EMULATOR, [program, seed, '2000', OWN_LINES]);
    expect(output).toBe(`seed ${seed}, 2000 rounds\nok\n`);
  }, 300_000);

  it('the addon loads, and reads the same', async () => {
    await arm64Addon();
    for (const name of OUTPUTS) {
      const { version } = neededGlibc(join(root, 'prebuilds/linux-arm64', name));
      // Nothing newer than the oldest JetPack has.
      expect(compare(version ?? '0', JETPACK_GLIBC[5])).toBeLessThanOrEqual(0);
    }
    const node = await arm64Node();
    const output = await command(EMULATOR, ['-L', LIBRARIES, node, testProgram('arm64/parse').filename, OWN_LINES]);
    const parser = new TegrastatsParser();
    const samples = [...parser.push(readFileSync(OWN_LINES)), ...parser.end()];
    expect(JSON.parse(output)).toEqual({ arch: 'arm64', samples, counters: parser.counters });
    expect(samples.length).toBeGreaterThan(10);
  }, 900_000);
});
