import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lookbusyArguments, lookbusyDefinition } from '../../src/load/lookbusy.js';
import { Worker } from '../../src/worker/worker.js';

/** The synthetic load, in a container: what it says of itself, and what its cgroup says of it. */

interface Body {
  cold: boolean;
  start: number;
  end: number;
  latency: number;
  asked_ms: number;
  cpu_ms: number;
  threads: number;
  held_mb: number;
  pages: number;
}

describe('lookbusy', () => {
  const dataDir = mkdtempSync(join(tmpdir(), 'iluvatar-lookbusy-'));
  let worker: Worker;
  let functions = 0;

  beforeAll(async () => {
    worker = await Worker.start({ name: `lookbusy-${process.pid}`, dataDir, http: { enabled: false } });
  });
  afterAll(async () => {
    await worker?.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  async function registered(options: { memoryMb?: number; threads?: number } = {}): Promise<string> {
    const name = `lookbusy-${++functions}`;
    await worker.register(lookbusyDefinition({ name, memoryMb: 64, ...options }));
    return name;
  }
  async function run(name: string, args: unknown): Promise<Body> {
    return (await worker.invoke<{ body: Body }>(name, args)).result.body;
  }

  it('takes its cold time first, its warm time then, and never less', async () => {
    const name = await registered();
    const args = JSON.parse(lookbusyArguments({ coldMs: 30, warmMs: 5 }));
    const cold = await run(name, args);
    expect(cold).toMatchObject({ cold: true, asked_ms: 30, threads: 1, pages: 0 });
    const warm = await run(name, args);
    expect(warm).toMatchObject({ cold: false, asked_ms: 5 });
    for (const { latency, asked_ms, start, end } of [cold, warm]) {
      expect(latency).toBeGreaterThanOrEqual(asked_ms / 1000);
      expect(end - start).toBeCloseTo(latency, 4);
    }
  });

  it('holds what it is asked to hold, as its cgroup sees it, and writes to all of it each time', async () => {
    const name = await registered({ memoryMb: 128 });
    const pages = (48 * 2 ** 20) / 4096;
    expect(await run(name, { run_ms: 1, mem_mb: 48 })).toMatchObject({ held_mb: 48, pages });
    expect(await run(name, { run_ms: 1, mem_mb: 48 })).toMatchObject({ held_mb: 48, pages });
    await expect
      .poll(async () => (await worker.list()).find((fn) => fn.name === name)?.characteristics.memoryMb)
      .toBeGreaterThanOrEqual(48);
    expect(await run(name, { run_ms: 1, mem_mb: 8 })).toMatchObject({ held_mb: 8, pages: (8 * 2 ** 20) / 4096 });
  });

  it('does an amount of work by the processor clock, on all of its threads, and sleeps in the rest', async () => {
    const name = await registered({ threads: 2 });
    const whole = await run(name, JSON.parse(lookbusyArguments({ coldMs: 20, warmMs: 20, threads: 2, clock: 'cpu' })));
    expect(whole.threads).toBe(2);
    expect(whole.cpu_ms).toBeGreaterThanOrEqual(40);
    const half = await run(name, { run_ms: 40, busy: 0.5, clock: 'cpu' });
    expect(half.cpu_ms).toBeGreaterThanOrEqual(20);
    // Asleep for the other half: that is time, but no work.
    expect(half.latency * 1000).toBeGreaterThanOrEqual(half.cpu_ms + 15);
    const asleep = await run(name, { run_ms: 40, busy: 0 });
    expect(asleep.cpu_ms).toBeLessThan(asleep.latency * 1000);
  });

  it('takes the arguments of the original, numbers in quotes, and what it does not know', async () => {
    const name = await registered();
    await run(name, { cold_run: '1', warm_run: '2', nested: { a: ['}', '"', { b: 1 }] } });
    expect(await run(name, { cold_run: '1', other: null, warm_run: '2' })).toMatchObject({ asked_ms: 2 });
  });

  it.each([
    [{ warm_run_ms: -1 }, /warm_run_ms must be a number from 0 to .*"-1"/],
    [{ mem_mb: 'much' }, /mem_mb must be a number .*"much"/],
    [{ busy: 1.5 }, /busy must be a number from 0 to 1/],
    [{ ncpus: 0 }, /ncpus must be a number from 1 to 1024/],
    [{ clock: 'moon' }, /clock must be wall or cpu, not "moon"/],
    [[1, 2], /not a JSON object/],
  ])('refuses %j, and stays cold', async (args, message) => {
    const name = await registered();
    await expect(run(name, args)).rejects.toMatchObject({
      errorClass: 'invalid',
      message: expect.stringMatching(message),
    });
    expect(await run(name, { run_ms: 1 })).toMatchObject({ cold: true });
  });

  it('says so when it may not have so many threads', async () => {
    const name = await registered();
    await expect(run(name, { run_ms: 300, busy: 0, ncpus: 200 })).rejects.toMatchObject({
      errorClass: 'user_error',
      message: expect.stringMatching(/only \d+ of 200 threads .*pids/),
    });
  });

  it('is ended where it holds more than it may', async () => {
    const name = await registered();
    await expect(run(name, { run_ms: 1, mem_mb: 256 })).rejects.toMatchObject({ errorClass: 'out_of_memory' });
  });

  it('starts as slowly as it is told', async () => {
    const name = 'lookbusy-slow';
    await worker.register(lookbusyDefinition({ name, memoryMb: 64, initMs: 30 }));
    const { phases } = await worker.invoke(name, { run_ms: 0 });
    expect(phases.startUs).toBeGreaterThanOrEqual(30_000);
  });
});
