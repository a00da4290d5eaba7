import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkerConfigInput } from '../../../src/index.js';
import { FakeBoard, ORIN } from '../../support/jetson-board.js';
import { orinLine } from '../../support/tegrastats.js';
import { rejection, WorkerFixture } from '../support/worker-fixture.js';

/** A worker on a fake Orin: it takes the board's GPU by itself, counts the memory that this shares with the host once, and watches without any program. */

const GPU_LOAD = 'sys/class/devfreq/17000000.gpu/device/load';

describe('a worker on a Jetson', () => {
  let fake: FakeBoard;
  let fixture: WorkerFixture | null = null;

  beforeEach(() => {
    fake = new FakeBoard(ORIN);
  });
  afterEach(async () => {
    await fixture?.[Symbol.asyncDispose]();
    fixture = null;
    fake.remove();
  });

  async function start(config: WorkerConfigInput = {}): Promise<WorkerFixture> {
    fixture = await WorkerFixture.start({
      defaultBackends: ['simulated'],
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      memory: { budgetMb: 1000 },
      ...config,
      jetson: { root: fake.root, intervalMs: 20, smoothing: 1, ...config.jetson },
    });
    return fixture;
  }

  async function register(name: string, more: object): Promise<void> {
    const { worker } = fixture as WorkerFixture;
    const description = { create: 1000, run: 1000, result: { done: true } };
    const source = (fixture as WorkerFixture).source(name, { 'simulated.json': JSON.stringify(description) });
    await worker.register({ name, source, ...more });
  }

  it('takes its GPU, and the memory of a container there once', async () => {
    const { worker } = await start();
    await register('infer', { devices: ['gpu'], memoryMb: 100, gpuMemoryMb: 500 });
    expect((await worker.invoke('infer', {})).result).toEqual({ done: true });
    const { memory, gpus, jetson } = await worker.status();
    expect(memory.totalMb).toBe(600);
    expect(gpus).toMatchObject([{ index: 0, present: true, containers: 1, reservedMb: 500 }]);
    expect(jetson).toMatchObject({ source: 'sysfs', board: { chip: 'tegra234', memoryMb: 62_841 } });
    const big = fixture?.source('big', { 'simulated.json': '{}' }) as string;
    const refused = await rejection(
      worker.register({ name: 'big', source: big, devices: ['gpu'], memoryMb: 600, gpuMemoryMb: 500 }),
    );
    expect([refused.errorClass, refused.message]).toEqual([
      'invalid',
      'big@1 needs 1100 MiB (500 of them on the GPU, whose memory is the host’s) and this worker has 1000 MiB for containers',
    ]);
    // What is idle on the GPU makes room for what runs on the CPU: it is one memory.
    await register('plain', { memoryMb: 700 });
    expect((await worker.invoke('plain', {})).result).toEqual({ done: true });
    expect((await worker.status()).memory.totalMb).toBe(700);
  });

  it('leaves it alone where it is told to', async () => {
    const { worker } = await start({ jetson: { gpu: 'off' } });
    expect((await worker.status()).gpus).toEqual([]);
  });

  it('goes by what the driver of the GPU says, and says when the board holds itself back', async () => {
    const { worker } = await start({ gpu: { utilizationLimit: 50, utilizationHoldMs: 600_000 } });
    await register('infer', { devices: ['gpu'], memoryMb: 10, gpuMemoryMb: 10 });
    fake.write(GPU_LOAD, '910\n');
    await expect.poll(async () => (await worker.status()).gpus[0]?.held).toBe(true);
    const waiting = worker.invoke('infer', {});
    await expect.poll(async () => (await worker.status()).queues.gpu.length).toBe(1);
    fake.write(GPU_LOAD, '20\n');
    expect((await waiting).result).toEqual({ done: true });
    fake.write('sys/class/thermal/cooling_device2/cur_state', '1\n');
    await expect
      .poll(async () => (await worker.health()).notes)
      .toContain('the board holds itself back: gpu-throttle-alert');
    expect(await (await fetch(`${worker.httpUrl}/metrics`)).text()).toContain(
      'iluvatar_jetson_throttled{cause="gpu-throttle-alert"} 1',
    );
    const answer = (await (await fetch(`${worker.httpUrl}/status`)).json()) as {
      jetson?: { throttledBy: string[] };
    };
    expect(answer.jetson?.throttledBy).toEqual(['gpu-throttle-alert']);
    fake.write('sys/class/thermal/cooling_device2/cur_state', '0\n');
    await expect.poll(async () => (await worker.health()).notes).toEqual([]);
  });

  it('runs against a recording, anywhere', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-recorded-'));
    try {
      const file = join(folder, 'board.jsonl');
      const head = { recording: 'jetson', version: 1, board: null, intervalMs: 10 };
      writeFileSync(file, `${JSON.stringify(head)}\n${JSON.stringify({ atUs: 0, line: orinLine(64) })}\n`);
      const { worker } = await start({ jetson: { root: '/nowhere', replay: { file } }, gpu: { count: 1 } });
      await expect.poll(async () => (await worker.status()).jetson?.gpu.utilizationPercent).toBe(64);
      expect((await worker.status()).gpus[0]?.utilization).toBe(64);
      expect((await worker.status()).jetson).toMatchObject({ source: 'replay', power: { totalMw: 5251 } });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is not watched on other machines', async () => {
    const { worker } = await start({ jetson: { root: '/nowhere' } });
    expect((await worker.status()).jetson).toBeNull();
    expect(await (await fetch(`${worker.httpUrl}/metrics`)).text()).not.toMatch(/^iluvatar_jetson/m);
  });
});
