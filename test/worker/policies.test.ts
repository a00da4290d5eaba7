import { describe, expect, it } from 'vitest';
import {
  CPU_QUEUE_POLICIES,
  DISPATCH_POLICIES,
  EVICTION_POLICIES,
  GPU_QUEUE_POLICIES,
} from '../../src/config/policy-names.js';
import { rejection, WorkerFixture } from './support/worker-fixture.js';

/** Every policy in a live worker, on real containers: what it is asked for it does, and nothing is lost. Decisions in detail are tested on the engine. */

const SLEEP = `import time
def main(args):
    time.sleep(args.get("ms", 1) / 1000)
    return {"value": args.get("value")}
`;
const FUNCTIONS = ['a', 'b', 'c'];

async function register(fixture: WorkerFixture, devices: readonly string[]): Promise<void> {
  for (const name of FUNCTIONS) await fixture.python(name, SLEEP, { memoryMb: 64, devices, retries: 0 });
}

/** Thirty invocations of three functions at once; true when each has its own answer. */
async function burst(fixture: WorkerFixture): Promise<boolean> {
  const values = Array.from({ length: 30 }, (_, value) => value);
  const answers = await Promise.all(
    values.map((value) =>
      fixture.worker.invoke<{ value: number }>(FUNCTIONS[value % 3] as string, { value, ms: value % 4 }),
    ),
  );
  return answers.every(({ result }, value) => result.value === value);
}

const GPU = { count: 2, slots: 2, concurrency: 1 };

describe('policies in a live worker', () => {
  it.each(CPU_QUEUE_POLICIES)('orders the CPU’s queue by %s', async (policy) => {
    await using fixture = await WorkerFixture.start({ queue: { policy }, cpu: { slots: 1 } });
    await register(fixture, ['cpu']);
    expect(await burst(fixture)).toBe(true);
    const { counters, queues } = await fixture.worker.status();
    expect([counters['succeeded'], queues.cpu.length]).toEqual([30, 0]);
  });

  it.each(GPU_QUEUE_POLICIES)('orders the GPUs’ queue by %s', async (policy) => {
    await using fixture = await WorkerFixture.start({ gpu: { ...GPU, queue: { policy } } });
    await register(fixture, ['gpu']);
    expect(await burst(fixture)).toBe(true);
    const { gpus, queues } = await fixture.worker.status();
    expect([queues.gpu.length, gpus.map(({ running }) => running)]).toEqual([0, [0, 0]]);
    expect(gpus.reduce((sum, { containers }) => sum + containers, 0)).toBeGreaterThan(0);
  });

  it.each(DISPATCH_POLICIES)('chooses devices by %s', async (policy) => {
    await using fixture = await WorkerFixture.start({ gpu: GPU, dispatch: { policy } });
    await register(fixture, ['cpu', 'gpu']);
    expect(await burst(fixture)).toBe(true);
    const functions = await fixture.worker.list();
    const used = functions.flatMap(({ characteristics }) => characteristics.devices);
    expect(used.reduce((sum, { invocations }) => sum + invocations, 0)).toBe(30);
    const on = (device: string): number =>
      used.filter((one) => one.device === device).reduce((sum, { invocations }) => sum + invocations, 0);
    if (policy === 'cpu') expect(on('gpu')).toBe(0);
    if (policy === 'gpu') expect(on('cpu')).toBe(0);
  });

  it.each(EVICTION_POLICIES)('makes room by %s', async (policy) => {
    await using fixture = await WorkerFixture.start({
      keepAlive: { policy },
      memory: { budgetMb: 128 },
      cpu: { slots: 2 },
    });
    await register(fixture, ['cpu']);
    for (let round = 0; round < 3; round++) {
      for (const name of FUNCTIONS) await fixture.worker.invoke(name, { value: round });
    }
    const { counters, memory } = await fixture.worker.status();
    expect(counters['containersEvicted']).toBeGreaterThan(0);
    expect(memory.totalMb).toBeLessThanOrEqual(128);
    expect(counters['succeeded']).toBe(9);
  });

  it('starts with what was measured elsewhere', async () => {
    await using fixture = await WorkerFixture.start();
    const timings = {
      CPU: { warm_results_sec: [0.2], warm_worker_duration_us: [250_000], cold_worker_duration_us: [900_000] },
    };
    await fixture.python('a', SLEEP, { timings });
    const [fn] = await fixture.worker.list();
    expect(fn?.characteristics.devices).toMatchObject([{ device: 'cpu', runMs: 200, warmMs: 250, coldMs: 900 }]);
    expect(await fixture.worker.estimate([{ name: 'a' }])).toEqual([0.9]);
  });

  it('tells a container its GPU and its share of it', async () => {
    await using fixture = await WorkerFixture.start({ gpu: { count: 1, concurrency: 2 }, dispatch: { policy: 'gpu' } });
    const main = 'import os\ndef main(args):\n    return [os.environ.get(k) for k in args["names"]]\n';
    await fixture.python('env', main, { devices: ['gpu'] });
    await fixture.python('bare', main, { devices: ['cpu'] });
    const names = ['CUDA_VISIBLE_DEVICES', 'CUDA_MPS_ACTIVE_THREAD_PERCENTAGE'];
    expect((await fixture.worker.invoke('env', { names })).result).toEqual(['0', '50']);
    const id = await fixture.worker.invokeAsync('env', { names });
    expect(await fixture.worker.result(id, { waitMs: 30_000 })).toMatchObject({
      result: { result: ['0', '50'], device: 'gpu' },
    });
    expect((await fixture.worker.invoke('bare', { names })).result).toEqual([null, null]);
  });

  it('refuses a parameter that a policy does not have, by name', async () => {
    const error = await rejection(WorkerFixture.start({ keepAlive: { policy: 'ttl', parameters: { keepAlive: 5 } } }));
    expect([error.errorClass, error.message]).toEqual(['invalid', expect.stringContaining('keepAliveMs')]);
  });
});
