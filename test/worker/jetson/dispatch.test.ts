import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkerConfigInput } from '../../../src/index.js';
import { FakeTegrastats, orinLine } from '../../support/tegrastats.js';
import { WorkerFixture } from '../support/worker-fixture.js';

/** A worker whose board is a fake tegrastats and whose GPU functions exist in time only: what is read decides what starts, and nothing that becomes of the reader costs an invocation. */

describe('a worker that watches a Jetson', () => {
  let fake: FakeTegrastats;
  let fixture: WorkerFixture | null = null;

  beforeEach(() => {
    fake = new FakeTegrastats({ do: 'say', lines: [orinLine(0)] });
  });
  afterEach(async () => {
    await fixture?.[Symbol.asyncDispose]();
    fixture = null;
    fake.remove();
  });

  async function start(
    jetson: WorkerConfigInput['jetson'] = {},
    gpu: WorkerConfigInput['gpu'] = {},
  ): Promise<WorkerFixture> {
    fixture = await WorkerFixture.start({
      defaultBackends: ['simulated'],
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      memory: { budgetMb: 4096 },
      cpu: { slots: 16 },
      gpu: { count: 1, memoryMb: 2048, concurrency: 4, utilizationLimit: 60, utilizationHoldMs: 600_000, ...gpu },
      jetson: {
        source: 'tegrastats',
        command: [fake.program],
        intervalMs: 20,
        smoothing: 1,
        staleMs: 1000,
        stallIntervals: 20,
        ...jetson,
      },
    });
    const description = { create: 1000, run: 2000, result: { done: true } };
    const source = fixture.source('infer', { 'simulated.json': JSON.stringify(description) });
    await fixture.worker.register({ name: 'infer', source, devices: ['gpu'], memoryMb: 64, timeoutMs: 60_000 });
    return fixture;
  }

  const held = async (): Promise<boolean | undefined> => (await fixture?.worker.status())?.gpus[0]?.held;
  const queued = async (): Promise<number | undefined> => (await fixture?.worker.status())?.queues.gpu.length;
  const board = async () => (await (fixture as WorkerFixture).worker.status()).jetson;

  it('starts nothing on its GPU above the limit, and what waits as soon as it is below', async () => {
    const { worker } = await start();
    expect((await worker.invoke('infer', {})).result).toEqual({ done: true });
    fake.load(95);
    await expect.poll(held).toBe(true);
    const waiting = Promise.all([worker.invoke('infer', {}), worker.invoke('infer', {})]);
    await expect.poll(queued).toBe(2);
    const { jetson } = await worker.status();
    expect(jetson).toMatchObject({
      source: 'tegrastats',
      stale: false,
      gpu: { utilizationPercent: 95, freqMhz: 305 },
      memory: { totalMb: 7620 },
      power: { totalMw: 5251, estimated: false },
    });
    fake.load(10);
    expect((await waiting).map(({ result }) => result)).toEqual([{ done: true }, { done: true }]);
    expect(await held()).toBe(false);
  });

  it('smooths what it reads', async () => {
    fake.behave({ do: 'say', lines: [orinLine(0), orinLine(100)] });
    await start({ smoothing: 0.6 });
    // Of 0 and 100 in turn, neither: what is smoothed is between them from the second reading on.
    await expect.poll(async () => (await board())?.counters.readings ?? 0).toBeGreaterThan(3);
    const percent = (await board())?.gpu.utilizationPercent ?? -1;
    expect(percent).toBeGreaterThan(5);
    expect(percent).toBeLessThan(95);
    expect((await (fixture as WorkerFixture).worker.status()).gpus[0]?.utilization).toBeGreaterThan(5);
  });

  it('loses no invocation when its tegrastats is killed again and again, and starts it again', async () => {
    const { worker } = await start();
    const answers: Promise<unknown>[] = [];
    for (let round = 0; round < 3; round++) {
      await expect.poll(() => fake.living.length).toBe(1);
      const [pid] = fake.living as [number];
      for (let i = 0; i < 50; i++) answers.push(worker.invoke('infer', { round, i }));
      process.kill(pid, 'SIGKILL');
      for (let i = 0; i < 50; i++) answers.push(worker.invoke('infer', { round, i }));
      await expect.poll(() => fake.living.some((one) => one !== pid)).toBe(true);
    }
    const settled = await Promise.allSettled(answers);
    expect(settled.filter(({ status }) => status !== 'fulfilled')).toEqual([]);
    expect(settled.length).toBe(300);
    await expect.poll(async () => (await board())?.counters.restarts).toBeGreaterThanOrEqual(3);
    const tasks = (await worker.health()).tasks.find(({ name }) => name === 'jetson-monitor');
    expect(tasks).toMatchObject({ critical: false, causes: { exit: 3 } });
  });

  for (const [trouble, behaviour] of [
    ['that hangs', { do: 'stall' }],
    ['that writes rubbish', { do: 'rubbish' }],
    ['that floods', { do: 'flood' }],
  ] as const) {
    it(`assumes that a GPU is free which is not known (a tegrastats ${trouble}), says so, and goes by readings again when there are any`, async () => {
      const { worker } = await start({ staleData: 'assume-free' });
      fake.load(95);
      await expect.poll(held).toBe(true);
      const waiting = worker.invoke('infer', {});
      await expect.poll(queued).toBe(1);
      fake.behave(behaviour);
      expect((await waiting).result).toEqual({ done: true });
      expect(await board()).toMatchObject({ stale: true });
      expect((await worker.health()).notes.join()).toContain('the utilisation of the GPU is not known');
      fake.load(95);
      await expect.poll(held).toBe(true);
      expect(await board()).toMatchObject({ stale: false });
      const metrics = await (await fetch(`${worker.httpUrl}/metrics`)).text();
      expect(metrics).toContain('iluvatar_jetson_stale 0');
      expect(metrics).toContain('iluvatar_jetson_events_total{event="losses"} 1');
      expect(metrics).toContain('iluvatar_jetson_rail_power_watts{rail="VDD_IN"} 5.251');
      expect(metrics).toContain('iluvatar_gpu_held{gpu="0"} 1');
    });
  }

  it('assumes that others use it where it is told to, and tries one after the other all the same', async () => {
    const { worker } = await start({ staleData: 'assume-busy', staleMs: 200 }, { utilizationHoldMs: 50 });
    fake.behave({ do: 'stall' });
    await expect.poll(async () => (await board())?.stale).toBe(true);
    await expect.poll(held).toBe(true);
    const answers = await Promise.all(Array.from({ length: 5 }, () => worker.invoke('infer', {})));
    expect(answers.map(({ result }) => result)).toEqual(Array(5).fill({ done: true }));
  });

  it('leaves it at what was read last where it is told to, and does not starve', async () => {
    fake.load(95);
    const { worker } = await start({ staleData: 'ignore', staleMs: 200 }, { utilizationHoldMs: 500 });
    await expect.poll(held).toBe(true);
    fake.behave({ do: 'stall' });
    await expect.poll(async () => (await board())?.stale).toBe(true);
    expect((await worker.invoke('infer', {})).result).toEqual({ done: true });
  });

  it('runs without any tegrastats as without a board', async () => {
    const { worker } = await start({ command: ['tegrastats-that-is-not-there'], staleMs: 100 });
    expect((await worker.invoke('infer', {})).result).toEqual({ done: true });
    await expect.poll(async () => (await worker.health()).notes.join('\n')).toContain('there is no program');
    const { healthy } = await worker.health();
    expect(healthy).toBe(true);
  });

  it('leaves no tegrastats behind when it stops', async () => {
    const { worker } = await start();
    await expect.poll(() => fake.living.length).toBe(1);
    await worker.stop();
    expect(fake.living).toEqual([]);
  });

  it('watches from a thread of its own', async () => {
    fixture = await WorkerFixture.start({
      threads: true,
      defaultBackends: ['simulated'],
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      gpu: { count: 1, utilizationLimit: 60 },
      jetson: { source: 'tegrastats', command: [fake.program], intervalMs: 20 },
    });
    await expect.poll(async () => (await board())?.counters.readings).toBeGreaterThan(1);
    await fixture.worker.stop();
    expect(fake.living).toEqual([]);
  });
});
