import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Worker } from '../../src/worker/worker.js';
import { type Body, SAMPLES } from './samples.js';

const folder = fileURLToPath(new URL('../../functions', import.meta.url));

/** Registering may install packages from PyPI. */
const REGISTER_MS = 300_000;

/** Each sample function as a user would use it: registered from its folder, dependencies and all, run cold and then warm. */
describe('sample functions through a worker', () => {
  let worker: Worker;
  let dataDir = '';

  beforeAll(async () => {
    dataDir = mkdtempSync(join(tmpdir(), 'iluvatar-functions-'));
    worker = await Worker.start({ name: `functions-${process.pid}`, dataDir, http: { enabled: false } });
  });

  afterAll(async () => {
    await worker?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  for (const { name, memoryMb, args, check } of SAMPLES) {
    it(
      name,
      async () => {
        const definition = { name, source: join(folder, name), ...(memoryMb === undefined ? {} : { memoryMb }) };
        await worker.register(definition);
        const cold = await worker.invoke<{ body: Body }>(name, args);
        check(cold.result.body);
        expect(cold.result.body['cold']).toBe(true);
        expect(cold.containerState).not.toBe('warm');
        const warm = await worker.invoke<{ body: Body }>(name, args);
        check(warm.result.body);
        expect(warm.result.body['cold']).toBe(false);
        expect(warm.containerState).toBe('warm');
        const { start, end, latency } = warm.result.body;
        expect(Math.abs(end - start - latency)).toBeLessThan(1e-6);
        await worker.unregister(name);
      },
      REGISTER_MS,
    );
  }

  it('hello_c, compiled', async () => {
    const built = join(dataDir, 'hello_c');
    mkdirSync(built);
    execFileSync('make', ['-s', '-C', join(folder, 'hello_c'), `OUT=${built}`]);
    await worker.register({ name: 'hello_c', source: built, runtime: 'binary' });
    const cold = await worker.invoke<{ body: Body }>('hello_c', { x: 1 });
    expect(cold.result.body).toEqual({ greeting: 'Hello from C!', cold: true, bytes: '{"x":1}'.length });
    const warm = await worker.invoke<{ body: Body }>('hello_c', {});
    expect(warm.result.body).toEqual({ greeting: 'Hello from C!', cold: false, bytes: 2 });
    expect(warm.containerState).toBe('warm');
  });

  it('covers every folder of functions/', () => {
    const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const names = folders.map((entry) => entry.name);
    expect(names.sort()).toEqual(['hello_c', 'lookbusy', ...SAMPLES.map((sample) => sample.name)].sort());
  });
});
