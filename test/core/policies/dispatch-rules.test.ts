import { describe, expect, it } from 'vitest';
import type { DeviceLoads, DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import { dispatchPolicies } from '../../../src/core/dispatch/policies.js';
import type { Device } from '../../../src/core/function.js';
import { seededRandom } from '../../../src/core/random.js';
import {
  DEVICES,
  dispatch,
  failed,
  invocationOf,
  KnownFunction,
  loads,
  stateOf,
  succeed,
} from '../conformance/dispatch-policy.js';

const { all, gpu, cpu, random, shortest_exec, est_completion, speedup, est_speedup } = dispatchPolicies;
const GPU_SOONER = loads();
const CPU_SOONER = loads({ completionUs: (_fn, device) => (device === 'cpu' ? 1e6 : 2e6) });

function choose(policy: DispatchPolicy, fn: KnownFunction, now: DeviceLoads = GPU_SOONER): string {
  return policy.choose(fn, DEVICES, now, 0);
}

describe('policies without a memory', () => {
  const fn = KnownFunction.with('f', { cpu: 100, gpu: 10 });

  it('are constant where they say so', () => {
    expect([cpu, gpu, all].map((entry) => choose(dispatch(entry), fn))).toEqual(['cpu', 'gpu', 'all']);
  });

  it('random: each device about as often', () => {
    const policy = dispatch(random);
    const chosen = Array.from({ length: 2000 }, () => choose(policy, fn));
    expect(Math.abs(chosen.filter((device) => device === 'cpu').length - 1000)).toBeLessThan(100);
  });
});

describe('policies that compare execution times', () => {
  it('shortest_exec: the shorter one, whatever the queues', () => {
    const policy = dispatch(shortest_exec);
    expect(choose(policy, KnownFunction.with('a', { cpu: 10, gpu: 11 }), GPU_SOONER)).toBe('cpu');
    expect(choose(policy, KnownFunction.with('b', { cpu: 11, gpu: 10 }), CPU_SOONER)).toBe('gpu');
  });

  it('est_completion: the queue that answers first, whatever the execution times', () => {
    const policy = dispatch(est_completion);
    const fn = KnownFunction.with('f', { cpu: 10, gpu: 100 });
    expect([choose(policy, fn, GPU_SOONER), choose(policy, fn, CPU_SOONER)]).toEqual(['gpu', 'cpu']);
  });

  it('speedup: on the GPU above 4, not at 4', () => {
    const policy = dispatch(speedup);
    expect(choose(policy, KnownFunction.with('at', { cpu: 400, gpu: 100 }), GPU_SOONER)).toBe('cpu');
    expect(choose(policy, KnownFunction.with('above', { cpu: 401, gpu: 100 }), CPU_SOONER)).toBe('gpu');
    const low = dispatch(speedup, { speedupRatio: 1 });
    expect(choose(low, KnownFunction.with('low', { cpu: 101, gpu: 100 }), GPU_SOONER)).toBe('gpu');
  });

  it('est_speedup: above the ratio where it is answered first, else the CPU', () => {
    const policy = dispatch(est_speedup);
    const above = KnownFunction.with('above', { cpu: 401, gpu: 100 });
    const at = KnownFunction.with('at', { cpu: 400, gpu: 100 });
    expect([choose(policy, above, GPU_SOONER), choose(policy, above, CPU_SOONER)]).toEqual(['gpu', 'cpu']);
    expect(choose(policy, at, GPU_SOONER)).toBe('cpu');
  });
});

describe('running_avg_est_speedup', () => {
  const create = (): DispatchPolicy => dispatch(dispatchPolicies.running_avg_est_speedup);

  it('moves the average first and compares with the new one', () => {
    const policy = create();
    // 0.9 · 4 + 0.1 · 14 = 5; 14 ≥ 5.
    expect(choose(policy, KnownFunction.with('fast', { cpu: 1400, gpu: 100 }))).toBe('gpu');
    expect(policy.report?.()).toEqual({ averageSpeedup: expect.closeTo(5, 9) });
    // 0.9 · 5 + 0.1 · 4.5 = 4.95; 4.5 is below, though it is above the first 4.
    expect(choose(policy, KnownFunction.with('slower', { cpu: 450, gpu: 100 }))).toBe('cpu');
    expect(policy.report?.()).toEqual({ averageSpeedup: expect.closeTo(4.95, 9) });
  });

  it('lets functions that are all sped up alike onto the GPU, however often they come', () => {
    for (let ratio = 410; ratio < 900; ratio += 7) {
      const policy = create();
      const fn = KnownFunction.with('f', { cpu: ratio, gpu: 100 });
      for (let i = 0; i < 500; i++) expect(choose(policy, fn)).toBe('gpu');
    }
  });

  it('is not moved by what is unknown', () => {
    const policy = create();
    for (let i = 0; i < 50; i++) choose(policy, KnownFunction.with(`u${i}`, { cpu: 100 }));
    for (let i = 0; i < 50; i++) choose(policy, KnownFunction.with(`v${i}`, { gpu: 100 }));
    expect(policy.report?.()).toEqual({ averageSpeedup: 4 });
  });
});

describe('queue_adjust_avg_est_speedup', () => {
  const create = (parameters = {}): DispatchPolicy =>
    dispatch(dispatchPolicies.queue_adjust_avg_est_speedup, parameters);
  const queue = (gpuLength: number, sooner: Device = 'gpu'): DeviceLoads =>
    loads({ queueLength: () => gpuLength, completionUs: (_fn, device) => (device === sooner ? 1 : 2) });
  const threshold = (policy: DispatchPolicy): number => stateOf<{ threshold: number }>(policy).threshold;
  const fn = KnownFunction.with('f', { cpu: 500, gpu: 100 });

  it('lowers the threshold at a queue of 1, keeps it at 2, resets it at 3', () => {
    const policy = create();
    expect(choose(policy, fn, queue(1))).toBe('gpu');
    expect(threshold(policy)).toBeCloseTo(3.96, 9);
    choose(policy, fn, queue(2));
    expect(threshold(policy)).toBeCloseTo(3.96, 9);
    choose(policy, fn, queue(0));
    expect(threshold(policy)).toBeCloseTo(3.9204, 9);
    choose(policy, fn, queue(3));
    expect(threshold(policy)).toBe(4);
  });

  it('is moved by nothing but what goes to the GPU', () => {
    const policy = create();
    expect(choose(policy, fn, queue(0, 'cpu'))).toBe('cpu');
    expect(choose(policy, KnownFunction.with('at', { cpu: 400, gpu: 100 }), queue(0))).toBe('cpu');
    expect(threshold(policy)).toBe(4);
  });

  it('lets in what was below the threshold at first, once the GPU has been idle', () => {
    const policy = create();
    const slower = KnownFunction.with('slower', { cpu: 395, gpu: 100 });
    expect(choose(policy, slower, queue(0))).toBe('cpu');
    // 4 · 0.99² = 3.92 < 3.95.
    for (let i = 0; i < 2; i++) choose(policy, fn, queue(0));
    expect(choose(policy, slower, queue(0))).toBe('gpu');
  });

  it('stops at the least ratio', () => {
    const policy = create({ leastRatio: 2, decay: 0.5 });
    for (let i = 0; i < 10; i++) choose(policy, fn, queue(0));
    expect(threshold(policy)).toBe(2);
  });
});

describe('a device that nothing is known of', () => {
  const policies = [shortest_exec, speedup, est_speedup, dispatchPolicies.greedy_weights, dispatchPolicies.landlord];

  it.each(policies)('is tried first, by one at a time: $name', (entry) => {
    const policy = dispatch(entry);
    const fn = KnownFunction.with('f', { cpu: 100 });
    expect(choose(policy, fn)).toBe('gpu');
    expect([choose(policy, fn), choose(policy, fn)]).toEqual(['cpu', 'cpu']);
    succeed(policy, fn, 'gpu', 200_000);
    expect(fn.stats.gpu.exec.count).toBe(1);
    // Known by now, and the slower one: no trial any more.
    const speed = dispatch(shortest_exec);
    expect(choose(speed, fn)).toBe('cpu');
  });

  it('is tried on both sides', () => {
    const policy = dispatch(shortest_exec);
    const fn = new KnownFunction('f');
    expect([choose(policy, fn), choose(policy, fn), choose(policy, fn)]).toEqual(['cpu', 'gpu', 'cpu']);
  });

  it('is tried again after a failure, but ever more rarely', () => {
    const policy = dispatch(shortest_exec);
    const fn = KnownFunction.with('f', { cpu: 100 });
    const tried: number[] = [];
    for (let i = 0; i < 200; i++) {
      if (choose(policy, fn) !== 'gpu') continue;
      tried.push(i);
      policy.ended(invocationOf(fn, 'gpu'), failed('crashed'), 5);
    }
    // After the n-th failure 2ⁿ choices pass.
    expect(tried).toEqual([0, 3, 8, 17, 34, 67, 132]);
  });

  it('is tried again at once when the trial was withdrawn', () => {
    const policy = dispatch(shortest_exec);
    const fn = KnownFunction.with('f', { cpu: 100 });
    expect(choose(policy, fn)).toBe('gpu');
    policy.ended(invocationOf(fn, 'gpu'), failed('cancelled'), 5);
    expect(choose(policy, fn)).toBe('gpu');
  });

  it('forgets failures with the function', () => {
    const policy = dispatch(shortest_exec);
    const fn = KnownFunction.with('f', { cpu: 100 });
    choose(policy, fn);
    policy.ended(invocationOf(fn, 'gpu'), failed('crashed'), 5);
    expect(choose(policy, fn)).toBe('cpu');
    policy.forget(fn);
    expect(choose(policy, fn)).toBe('gpu');
  });

  it('gives way to the known one where everything failed', () => {
    const policy = dispatch(dispatchPolicies.mice);
    const fn = KnownFunction.with('f', { gpu: 100 });
    expect(choose(policy, fn)).toBe('cpu');
    policy.ended(invocationOf(fn, 'cpu'), failed('out_of_memory'), 5);
    expect(choose(policy, fn)).toBe('gpu');
  });
});

describe('hit_tput', () => {
  /** CPU: 0.9 in 2 s = 0.45 a second; GPU: 0.15 in 1 s = 0.15 a second. */
  const rates = loads({ hitProbability: (_fn, device) => (device === 'cpu' ? 0.9 : 0.15) });

  it('gives each device its own share of the rates: here 3/4 and 1/4', () => {
    const policy = dispatch(dispatchPolicies.hit_tput, {}, seededRandom(7));
    const fn = new KnownFunction('f');
    const chosen = Array.from({ length: 4000 }, () => choose(policy, fn, rates));
    const share = chosen.filter((device) => device === 'cpu').length / chosen.length;
    expect(share).toBeGreaterThan(0.72);
    expect(share).toBeLessThan(0.78);
  });

  it('never chooses a device without a chance of a hit, and any when none has one', () => {
    const policy = dispatch(dispatchPolicies.hit_tput);
    const fn = new KnownFunction('f');
    const onlyGpu = loads({ hitProbability: (_fn, device) => (device === 'cpu' ? 0 : 0.01) });
    for (let i = 0; i < 200; i++) expect(choose(policy, fn, onlyGpu)).toBe('gpu');
    const none = loads({ hitProbability: () => 0 });
    expect(new Set(Array.from({ length: 200 }, () => choose(policy, fn, none)))).toEqual(new Set(DEVICES));
  });
});

describe('mice', () => {
  const state = (policy: DispatchPolicy): unknown => policy.report?.();

  it('sends what is short on the CPU there, at the threshold too, and the rest to the GPU', () => {
    const policy = dispatch(dispatchPolicies.mice);
    expect(choose(policy, KnownFunction.with('mouse', { cpu: 10_000, gpu: 1 }), GPU_SOONER)).toBe('cpu');
    expect(choose(policy, KnownFunction.with('elephant', { cpu: 10_001, gpu: 1 }), CPU_SOONER)).toBe('gpu');
  });

  it('raises the threshold while the CPU carries the mice, and lowers it when it does not', () => {
    const policy = dispatch(dispatchPolicies.mice);
    const fn = KnownFunction.with('f', { cpu: 400, gpu: 1 });
    // Ten of 0.4 s in 0.9 s, on four slots: 4 / (0.9 · 4) = 111 %.
    for (let i = 0; i < 10; i++) policy.choose(fn, DEVICES, GPU_SOONER, i * 100_000);
    expect(state(policy)).toEqual({ thresholdMs: 9900, cpuLoadPercent: expect.closeTo(1000 / 9, 6) });
    // Ten of 0.4 s in 2 s, on four slots: 4 / (2 · 4) = 50 %; 9900 · 1.01 = 9999.
    for (let i = 1; i <= 10; i++) policy.choose(fn, DEVICES, GPU_SOONER, 900_000 + i * 200_000);
    expect(state(policy)).toEqual({ thresholdMs: 9999, cpuLoadPercent: 50 });
  });

  it('finds the threshold at which the CPU is full', () => {
    const policy = dispatch(dispatchPolicies.mice, { step: 0.05 });
    const random = seededRandom(3);
    // Every 10 ms one of 1 to 200 ms: work for ten CPUs, where four are. Those up to t ms make t² / 400 / 10 of it, so the four are full at t = 126 ms.
    const functions = Array.from({ length: 200 }, (_, i) => KnownFunction.with(`f${i}`, { cpu: i + 1, gpu: 1 }));
    let mouseUs = 0;
    const length = 20_000;
    for (let i = 0; i < length; i++) {
      const fn = functions[Math.floor(random() * 200)] as KnownFunction;
      if (policy.choose(fn, DEVICES, GPU_SOONER, i * 10_000) === 'cpu' && i >= length / 2)
        mouseUs += fn.stats.cpu.exec.average;
    }
    const load = mouseUs / (4 * (length / 2) * 10_000);
    expect(load).toBeGreaterThan(0.8);
    expect(load).toBeLessThan(1.2);
  });
});

describe('by popularity', () => {
  const popularities = ['popular', 'least_popular', 'popular_est_time', 'popular_queue_len'] as const;

  /** Choices for a function that is one in `of`, after 100 others. */
  function choicesAt(name: (typeof popularities)[number], times: number, now: DeviceLoads = GPU_SOONER): string {
    const policy = dispatch(dispatchPolicies[name]);
    const [rare, often] = [new KnownFunction('rare'), new KnownFunction('often')];
    for (let i = 0; i < 100 - times; i++) choose(policy, often, now);
    for (let i = 1; i < times; i++) choose(policy, rare, now);
    return choose(policy, rare, now);
  }

  it('counts the invocation it decides about: 14 of 100 are below 0.15, 15 are not', () => {
    expect([choicesAt('popular', 14), choicesAt('popular', 15)]).toEqual(['cpu', 'gpu']);
    expect([choicesAt('least_popular', 15), choicesAt('least_popular', 16)]).toEqual(['gpu', 'cpu']);
    expect([choicesAt('popular_est_time', 14), choicesAt('popular_est_time', 15)]).toEqual(['cpu', 'gpu']);
    expect([choicesAt('popular_queue_len', 14), choicesAt('popular_queue_len', 15)]).toEqual(['cpu', 'gpu']);
  });

  it('popular_est_time: the popular ones go where they are answered first', () => {
    expect(choicesAt('popular_est_time', 50, CPU_SOONER)).toBe('cpu');
  });

  it('popular_queue_len: with more than two queued for the GPU, the CPU', () => {
    const [two, three] = [2, 3].map((length) => loads({ queueLength: () => length }));
    expect([choicesAt('popular_queue_len', 50, two), choicesAt('popular_queue_len', 50, three)]).toEqual([
      'gpu',
      'cpu',
    ]);
  });

  it('forgets the invocations of a function with it', () => {
    const policy = dispatch(dispatchPolicies.popular);
    const [gone, stays] = [new KnownFunction('gone'), new KnownFunction('stays')];
    for (let i = 0; i < 99; i++) choose(policy, gone);
    expect(choose(policy, stays)).toBe('cpu');
    policy.forget(gone);
    expect(policy.report?.()).toEqual({ total: 1, invocations: { 'stays@1': 1 } });
    expect(choose(policy, stays)).toBe('gpu');
  });
});

describe('top_avg', () => {
  it('sends to the GPU what comes at least as often as the average function', () => {
    const policy = dispatch(dispatchPolicies.top_avg);
    const often = KnownFunction.with('often', { every: 100 });
    const mean = KnownFunction.with('mean', { every: 300 });
    const rare = KnownFunction.with('rare', { every: 500 });
    for (const fn of [often, mean, rare]) choose(policy, fn);
    expect([often, mean, rare].map((fn) => choose(policy, fn))).toEqual(['gpu', 'gpu', 'cpu']);
    // Without the rare one the mean of 100 and 300 is 200.
    policy.forget(rare);
    expect(choose(policy, mean)).toBe('cpu');
    expect(policy.report?.()).toEqual({ meanUs: 200_000, intervalUs: { 'often@1': 100_000, 'mean@1': 300_000 } });
  });

  it('follows a function that comes more often than before', () => {
    const policy = dispatch(dispatchPolicies.top_avg);
    const [steady, faster] = [KnownFunction.with('s', { every: 200 }), KnownFunction.with('f', { every: 900 })];
    choose(policy, steady);
    expect(choose(policy, faster)).toBe('cpu');
    for (let i = 0; i < 60; i++) faster.stats.interArrival.add(1000);
    expect(choose(policy, faster)).toBe('gpu');
  });

  it('takes a function that came once for none that comes often, and leaves it out of the mean', () => {
    const policy = dispatch(dispatchPolicies.top_avg);
    expect(choose(policy, new KnownFunction('once'))).toBe('cpu');
    expect(policy.report?.()).toEqual({ meanUs: 0, intervalUs: {} });
  });
});
