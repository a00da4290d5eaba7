import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** What is said to a service manager, under the address and undefined-behaviour sanitizers: datagrams with descriptors, inherited sockets, file locks. */
const run = promisify(execFile);
const native = fileURLToPath(new URL('../../native', import.meta.url));

let folder = '';
let program = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'ilu-system-native-'));
  program = join(folder, 'service_manager_test');
  const flags = ['-std=c++20', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti', '-g', '-O1'];
  const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
  const files = ['service_manager.cc', 'service_manager_test.cc'].map((name) => join(native, 'system', name));
  await run('g++', [...flags, ...sanitizers, '-D_GNU_SOURCE', `-I${native}`, ...files, '-o', program]);
}, 300_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the service manager in C++, sanitized', () => {
  it('passes its tests', async () => {
    const work = join(folder, 'work');
    mkdirSync(work);
    expect((await run(program, [work])).stdout).toBe('ok\n');
  });
});
