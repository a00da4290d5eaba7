import { describe, expect, it } from 'vitest';
import type { DispatchChoice, DispatchPolicy } from '../../src/core/dispatch/dispatch-policy.js';
import type { EngineOptions } from '../../src/core/engine.js';
import type { FunctionSpec } from '../../src/core/function.js';
import type { FunctionRecord } from '../../src/core/function-record.js';
import type { Container } from '../../src/core/pool/container.js';
import type { GpuOptions } from '../../src/core/resources/gpu-options.js';
import { classThrown, first, Harness, OK } from './support/harness.js';

const GPU: GpuOptions = {
  count: 2,
  memoryMb: 100,
  perFunctionMemoryMb: 0,
  slots: 2,
  concurrency: 1,
  utilizationLimit: 0,
  utilizationHoldMs: 10_000,
  sharedMemory: false,
};

const LIMITS = { bufferMb: 0, queueLimit: 100, dropAbandoned: true, bypassUs: 0 };

class Always implements DispatchPolicy {
  readonly device: DispatchChoice;
  readonly ends: string[] = [];

  constructor(device: DispatchChoice) {
    this.device = device;
  }

  choose(): DispatchChoice {
    return this.device;
  }

  ended(invocation: { device: string }): void {
    this.ends.push(invocation.device);
  }

  forget(): void {}
}

function world(gpu: Partial<GpuOptions> = {}, over: Partial<EngineOptions> = {}): Harness {
  return new Harness({ gpu: { ...GPU, ...gpu }, cpuSlots: 8, memoryMb: 2000, ...over });
}

function register(h: Harness, name: string, over: Partial<FunctionSpec> = {}): FunctionRecord {
  return h.register({ name, devices: ['gpu'], ...over });
}

/** Invokes, makes its container ready, and leaves it running. */
function start(h: Harness, fn: FunctionRecord): Container {
  h.invoke(fn);
  return h.ready([...h.port.creating].at(-1) as Container);
}

function gpu(h: Harness, index: number): { containers: number; running: number; reservedMb: number } {
  const { containers, running, reservedMb } = h.engine.status().gpus[index] as {
    containers: number;
    running: number;
    reservedMb: number;
  };
  return { containers, running, reservedMb };
}

describe('functions on GPUs', () => {
  it('run on the device that is least used, one token each', () => {
    const h = world();
    const fn = register(h, 'f');
    const [a, b] = [start(h, fn), start(h, fn)];
    expect([a.device, a.gpu, b.gpu]).toEqual(['gpu', 0, 1]);
    expect(h.invoke(fn).phase).toBe('queued');
    expect([gpu(h, 0), gpu(h, 1)]).toEqual([
      { containers: 1, running: 1, reservedMb: 50 },
      { containers: 1, running: 1, reservedMb: 50 },
    ]);
    expect(h.problems()).toEqual([]);
  });

  it('prefer a warm container on a busier device to a cold one, and take that device’s token', () => {
    const h = world({ utilizationLimit: 90 });
    const fn = register(h, 'f');
    const container = start(h, fn);
    h.complete(first(h.port.runs.keys()));
    h.engine.gpuUtilization(0, 30);
    h.engine.gpuUtilization(1, 10);
    const warm = h.invoke(fn);
    expect([warm.container, warm.containerState, gpu(h, 0).running, gpu(h, 1).running]).toEqual([
      container,
      'warm',
      1,
      0,
    ]);
    const cold = h.invoke(fn);
    expect([cold.phase, first(h.port.creating).gpu]).toEqual(['starting', 1]);
    expect(h.problems()).toEqual([]);
  });

  it('wait when no token is free, though memory and slots are, and run in the order of arrival', () => {
    const h = world({ count: 1 });
    const fn = register(h, 'f');
    start(h, fn);
    const [second, third] = [h.invoke(fn), h.invoke(fn)];
    expect([second.phase, third.phase]).toEqual(['queued', 'queued']);
    h.complete(first(h.port.runs.keys()));
    expect([second.phase, third.phase]).toEqual(['running', 'queued']);
    expect(h.engine.status().queues.gpu.length).toBe(1);
  });

  it('need CPU slots as well', () => {
    const h = world({}, { cpuSlots: 1 });
    const cpu = h.register({ name: 'c' });
    const fn = register(h, 'f');
    h.invoke(cpu);
    const waiting = h.invoke(fn);
    expect(waiting.phase).toBe('queued');
    const run = h.ready();
    h.complete(first(h.port.runs.keys()));
    expect([run.phase, waiting.phase]).toEqual(['idle', 'starting']);
    expect(h.problems()).toEqual([]);
  });

  it('evict an idle container of the same device for its place, and none of the CPU', () => {
    const h = world({ count: 1, slots: 1 });
    const cpu = h.register({ name: 'c' });
    const kept = h.warmUp(cpu);
    const idle = start(h, register(h, 'f'));
    h.complete(first(h.port.runs.keys()));
    const invocation = h.invoke(register(h, 'g'));
    expect([...h.port.destroying.keys()]).toEqual([idle]);
    expect([invocation.phase, kept.phase]).toEqual(['queued', 'idle']);
    h.gone();
    expect(invocation.phase).toBe('starting');
    expect(h.problems()).toEqual([]);
  });

  it('evict nothing on one device while another has room', () => {
    const h = world({ slots: 1 });
    const idle = start(h, register(h, 'f'));
    h.complete(first(h.port.runs.keys()));
    const next = start(h, register(h, 'g'));
    expect([idle.gpu, idle.phase, next.gpu]).toEqual([0, 'idle', 1]);
  });

  it('reserve device memory, and are refused when it could never suffice', () => {
    const h = world({ count: 1, slots: 16, concurrency: 16 });
    const big = register(h, 'big', { gpuMemoryMb: 60 });
    start(h, big);
    expect(h.invoke(big).phase).toBe('queued');
    expect(gpu(h, 0).reservedMb).toBe(60);
    expect(classThrown(() => register(h, 'huge', { gpuMemoryMb: 101 }))).toBe('invalid');
    expect(classThrown(() => new Harness().register({ devices: ['gpu'] }))).toBe('invalid');
  });

  it('start nothing above the utilisation limit until a reading says otherwise', () => {
    const h = world({ count: 1, utilizationLimit: 40 });
    h.engine.gpuUtilization(0, 80);
    const invocation = h.invoke(register(h, 'f'));
    expect(invocation.phase).toBe('queued');
    h.engine.gpuUtilization(0, 30);
    expect(invocation.phase).toBe('starting');
  });

  it('are tried one by one, at intervals, on a GPU that others keep above the limit', () => {
    const h = world({ count: 1, utilizationLimit: 40, concurrency: 2, utilizationHoldMs: 500 });
    const held = (): boolean | undefined => h.engine.status().gpus[0]?.held;
    const fn = register(h, 'f');
    h.engine.gpuUtilization(0, 90);
    const [one, two] = [h.invoke(fn), h.invoke(fn)];
    h.advance(300_000);
    // Further readings do not begin the wait anew.
    h.engine.gpuUtilization(0, 95);
    expect([one.phase, held(), h.engine.nextDeadline() <= h.clock.time + 200_000]).toEqual(['queued', true, true]);
    h.advance(200_000);
    h.ready();
    expect([one.phase, two.phase, held()]).toEqual(['running', 'queued', true]);
    h.engine.gpuUtilization(0, 100);
    h.complete(one);
    // Nothing of ours runs, and what is known of others is what the next reading says.
    expect(two.phase).toBe('running');
    h.complete(two);
    h.engine.gpuUtilization(0, 100);
    const three = h.invoke(fn);
    h.advance(499_000);
    expect(three.phase).toBe('queued');
    h.advance(1000);
    expect(three.phase).toBe('running');
    expect(h.problems()).toEqual([]);
  });

  it('are not tried while the GPU is below the limit again, and wait as long as before the next time', () => {
    const h = world({ count: 1, utilizationLimit: 40, utilizationHoldMs: 500 });
    const fn = register(h, 'f');
    h.engine.gpuUtilization(0, 90);
    h.advance(400_000);
    h.engine.gpuUtilization(0, 10);
    h.engine.gpuUtilization(0, 90);
    const invocation = h.invoke(fn);
    h.advance(400_000);
    expect(invocation.phase).toBe('queued');
    h.advance(100_000);
    expect(invocation.phase).toBe('starting');
  });

  it('are prewarmed on the device asked for', () => {
    const h = world();
    const fn = h.register({ name: 'f', devices: ['cpu', 'gpu'] });
    let ready = 0;
    h.engine.prewarm(fn, 1, { settled: (count) => (ready = count) }, 'gpu');
    expect(h.ready().device).toBe('gpu');
    expect([ready, fn.stateOn('gpu'), fn.stateOn('cpu'), fn.warmOn(0)]).toEqual([1, 'prewarm', 'cold', false]);
    const onCpu = h.register({ name: 'g' });
    expect(classThrown(() => h.engine.prewarm(onCpu, 1, { settled() {} }, 'gpu'))).toBe('invalid');
  });
});

describe('a GPU without memory of its own', () => {
  it('gives what the one budget has, counted once', () => {
    const h = world({ count: 1, slots: 16, concurrency: 16, memoryMb: 300, sharedMemory: true }, { memoryMb: 300 });
    const fn = register(h, 'f', { memoryMb: 50, gpuMemoryMb: 70 });
    start(h, fn);
    expect([h.engine.status().memory.totalMb, gpu(h, 0).reservedMb]).toEqual([120, 70]);
    start(h, fn);
    // 60 MiB are left: neither another of these, nor one on the CPU with 61.
    expect(h.invoke(fn).phase).toBe('queued');
    const big = h.invoke(h.register({ name: 'big', memoryMb: 61 }));
    const small = h.invoke(h.register({ name: 'small', memoryMb: 60 }));
    expect([big.phase, small.phase]).toEqual(['queued', 'queued']);
    h.complete(first(h.port.runs.keys()));
    expect(h.problems()).toEqual([]);
    expect(h.engine.status().memory.totalMb).toBe(240);
  });

  it('makes room on the host by evicting what is idle on it', () => {
    const h = world({ count: 1, slots: 16, memoryMb: 300, sharedMemory: true }, { memoryMb: 300 });
    const idle = start(h, register(h, 'f', { memoryMb: 50, gpuMemoryMb: 200 }));
    h.complete(first(h.port.runs.keys()));
    expect(h.engine.status().memory.cachedMb).toBe(250);
    const next = h.invoke(h.register({ name: 'c', memoryMb: 100 }));
    expect([...h.port.destroying.keys()]).toEqual([idle]);
    h.gone();
    expect(next.phase).toBe('starting');
    expect([h.engine.status().memory.totalMb, gpu(h, 0).reservedMb]).toEqual([100, 0]);
    expect(h.problems()).toEqual([]);
  });

  it('refuses what would never fit into both', () => {
    const h = world({ count: 1, slots: 2, memoryMb: 300, sharedMemory: true }, { memoryMb: 300 });
    expect(classThrown(() => register(h, 'f', { memoryMb: 151 }))).toBe('invalid');
    const fn = register(h, 'g', { memoryMb: 150 });
    expect(classThrown(() => h.engine.prewarm(fn, 2, { settled() {} }))).toBe('invalid');
    expect(classThrown(() => h.engine.adjust({ ...LIMITS, memoryMb: 299 }))).toBe('invalid');
  });

  it('takes what a cgroup measures for host memory alone', () => {
    const shared = { count: 1, slots: 16, memoryMb: 300, sharedMemory: true };
    const h = world(shared, { memoryMb: 300 });
    const container = start(h, register(h, 'f', { memoryMb: 50, gpuMemoryMb: 100, memoryPolicy: 'grow' }));
    h.engine.measured(container, 60);
    expect(h.engine.status().memory).toMatchObject({ totalMb: 150, overshootMb: 10 });
  });
});

describe('a GPU that is lost', () => {
  it('takes its containers with it; what may be retried runs elsewhere', () => {
    const h = world();
    const steady = register(h, 'steady', { retries: 1 });
    const fragile = register(h, 'fragile');
    const kept = h.invoke(steady);
    const lost = h.invoke(fragile);
    for (const container of [...h.port.creating]) h.ready(container);
    expect([kept.container?.gpu, lost.container?.gpu]).toEqual([0, 1]);
    h.engine.gpuLost(1);
    expect(h.sink.classOf(lost)).toBe('unavailable');
    h.engine.gpuLost(0);
    expect([h.sink.classOf(kept), kept.phase]).toEqual(['open', 'queued']);
    for (const container of [...h.port.destroying.keys()]) h.gone(container);
    h.engine.gpuFound(1);
    expect([kept.phase, first(h.port.creating).gpu]).toEqual(['starting', 1]);
    h.ready();
    h.complete(kept);
    expect([h.sink.classOf(kept), kept.attempts]).toEqual(['ok', 2]);
    expect(h.problems()).toEqual([]);
  });

  it('is ignored when there is no such device', () => {
    const h = world();
    h.engine.gpuLost(7);
    h.engine.gpuFound(7);
    h.engine.gpuUtilization(7, 50);
    expect(h.problems()).toEqual([]);
  });
});

describe('an invocation queued for every device', () => {
  it('starts where it can start first, once, and leaves the other queue', () => {
    const dispatch = new Always('all');
    const h = world({ count: 1 }, { cpuSlots: 2, dispatch });
    const cpu = h.register({ name: 'c', cpus: 2 });
    const both = h.register({ name: 'b', devices: ['cpu', 'gpu'], cpus: 1 });
    const blocker = h.invoke(cpu);
    const invocation = h.invoke(both);
    const { queues } = h.engine.status();
    expect([queues.cpu.length, queues.gpu.length, h.engine.status().queue.length]).toEqual([1, 1, 1]);
    h.ready();
    h.complete(blocker);
    // Slots are free again; the GPUs are served first.
    expect([invocation.phase, invocation.device]).toEqual(['starting', 'gpu']);
    expect(h.engine.status().queues.cpu.length).toBe(0);
    h.ready();
    h.complete(invocation, OK);
    expect([dispatch.ends, both.stats.gpu.exec.count, both.stats.cpu.exec.count]).toEqual([['gpu'], 1, 0]);
    expect(h.problems()).toEqual([]);
  });

  it('runs once where a container is idle while the other device is busy', () => {
    const dispatch = new Always('all');
    const h = world({ count: 1 }, { dispatch });
    const both = h.register({ name: 'b', devices: ['gpu', 'cpu'] });
    const idle = h.adopt(both);
    start(h, register(h, 'busy'));
    const invocation = h.invoke(both);
    expect([invocation.phase, invocation.device, invocation.container]).toEqual(['running', 'cpu', idle]);
    const { queues, running } = h.engine.status();
    expect([queues.cpu.length, queues.gpu.length, running]).toEqual([0, 0, 2]);
    expect(h.problems()).toEqual([]);
    h.complete(invocation);
    expect([h.sink.classOf(invocation), h.engine.open]).toEqual(['ok', 1]);
    expect(h.problems()).toEqual([]);
  });

  it('is gone from both queues when its time passes', () => {
    const h = world({ count: 1 }, { cpuSlots: 1, dispatch: new Always('all') });
    h.invoke(h.register({ name: 'c' }), 100_000);
    const invocation = h.invoke(h.register({ name: 'b', devices: ['cpu', 'gpu'] }), 10);
    h.advance(10_000);
    expect(h.sink.classOf(invocation)).toBe('timeout');
    const { queues, queue } = h.engine.status();
    expect([queues.cpu.length, queues.gpu.length, queue.length]).toEqual([0, 0, 0]);
    expect(h.problems()).toEqual([]);
  });
});

describe('CPU slots', () => {
  it('grow while the load is low and shrink by half of the extra ones without waiting', () => {
    const h = new Harness({ cpuSlots: 2, oversubscription: { maxSlots: 6, maxLoad: 1 } });
    const fn = h.register();
    for (let i = 0; i < 9; i++) h.engine.cpuLoad(0.5);
    expect(h.engine.status().cpu.slots).toBe(6);
    for (let i = 0; i < 7; i++) h.invoke(fn);
    expect(h.engine.status().cpu.used).toBe(6);
    h.engine.cpuLoad(1.5);
    expect([h.engine.status().cpu.slots, h.engine.status().cpu.used]).toEqual([4, 6]);
    for (const container of [...h.port.creating]) h.ready(container);
    const [one, two, three] = [...h.port.runs.keys()];
    for (const run of [one, two]) if (run !== undefined) h.complete(run);
    expect([h.engine.status().cpu.used, h.engine.status().queue.length]).toEqual([4, 1]);
    if (three !== undefined) h.complete(three);
    expect(h.engine.status().queue.length).toBe(0);
    h.engine.cpuLoad(2);
    h.engine.cpuLoad(2);
    h.engine.cpuLoad(2);
    expect(h.engine.status().cpu.slots).toBe(2);
    expect(h.problems()).toEqual([]);
  });
});

describe('the bypass of short functions', () => {
  it('runs them at once on an idle container, counted, without a slot; without one they queue like all others', () => {
    const h = new Harness({ cpuSlots: 1, bypassUs: 1000, memoryMb: 1000 });
    const short = h.register({ name: 's' });
    const long = h.register({ name: 'l' });
    const container = h.warmUp(short);
    h.invoke(long);
    const bypassing = h.invoke(short);
    expect([bypassing.phase, bypassing.container]).toEqual(['running', container]);
    const { cpu, running, counters } = h.engine.status();
    expect([cpu.used, running, counters['bypassed']]).toEqual([1, 1, 1]);
    const queued = h.invoke(short);
    expect(queued.phase).toBe('queued');
    h.complete(bypassing);
    // It waits its turn: nothing spins, and the order within the function stays.
    expect([queued.phase, h.invoke(short).phase]).toEqual(['queued', 'queued']);
    expect(h.problems()).toEqual([]);
  });

  it('is not for functions whose time is unknown or too long', () => {
    const h = new Harness({ cpuSlots: 1, bypassUs: 100 });
    const fn = h.register();
    h.warmUp(fn);
    const other = h.register({ name: 'o' });
    h.invoke(other);
    expect(h.invoke(fn).phase).toBe('queued');
  });
});

describe('estimates', () => {
  it('are learnt from: how far off they were is known', () => {
    const h = new Harness({ cpuSlots: 1 });
    const fn = h.register();
    h.warmUp(fn);
    expect(fn.stats.cpu.estimate.count).toBe(0);
    const one = h.invoke(fn);
    h.clock.time += 250;
    h.complete(one);
    // 100 µs of execution were expected, on an idle container.
    expect([fn.stats.cpu.estimate.latest, fn.stats.cpu.estimateError.latest]).toEqual([100, 150]);
  });
});
