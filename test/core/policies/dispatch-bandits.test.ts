import { describe, expect, it } from 'vitest';
import type { DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import { dispatchPolicies } from '../../../src/core/dispatch/policies.js';
import type { ErrorClass } from '../../../src/core/errors.js';
import type { Device } from '../../../src/core/function.js';
import type { PolicyParameters } from '../../../src/core/policy.js';
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

const { ucb1, mwua } = dispatchPolicies;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8];

type Means = Record<Device, number>;

/** A world of two devices with uniform latencies from half to one and a half of the mean, µs. Returns what was chosen. */
function live(policy: DispatchPolicy, steps: number, seed: number, meansAt: (step: number) => Means): Device[] {
  const fn = new KnownFunction('f');
  const random = seededRandom(seed, 99);
  const chosen: Device[] = [];
  for (let step = 0; step < steps; step++) {
    const device = policy.choose(fn, DEVICES, loads(), step) as Device;
    chosen.push(device);
    succeed(policy, fn, device, Math.round(meansAt(step)[device] * (0.5 + random())), step);
  }
  return chosen;
}

const GPU_TWICE_AS_FAST: Means = { cpu: 200_000, gpu: 100_000 };
const CPU_TWICE_AS_FAST: Means = { cpu: 100_000, gpu: 200_000 };

function count(chosen: readonly Device[], device: Device): number {
  return chosen.filter((one) => one === device).length;
}

/** Mean over the seeds of the steps that went to the slower device, out of the first `steps`. */
function regret(make: (seed: number) => DispatchPolicy, steps: number): number {
  const each = SEEDS.map((seed) =>
    count(
      live(make(seed), steps, seed, () => GPU_TWICE_AS_FAST),
      'cpu',
    ),
  );
  return each.reduce((sum, one) => sum + one, 0) / SEEDS.length;
}

describe('ucb1', () => {
  it('follows the formula, worked out by hand', () => {
    const policy = dispatch(ucb1);
    const fn = new KnownFunction('f');
    const chosen: Device[] = [];
    for (let i = 0; i < 6; i++) {
      const device = policy.choose(fn, DEVICES, loads(), 0) as Device;
      chosen.push(device);
      policy.ended(invocationOf(fn, device), { ...failed('timeout'), errorClass: null }, device === 'cpu' ? 400 : 100);
    }
    // Rewards: CPU 100/400 = 0.25, GPU 1. Index = reward + sqrt(2 ln n / n_j):
    //   n = 2: CPU 0.25 + 1.177 = 1.427, GPU (1) 1 + 1.177 = 2.177 → GPU
    //   n = 3: CPU 0.25 + 1.482 = 1.732, GPU (2) 1 + 1.048 = 2.048 → GPU
    //   n = 4: CPU 0.25 + 1.665 = 1.915, GPU (3) 1 + 0.961 = 1.961 → GPU
    //   n = 5: CPU 0.25 + 1.794 = 2.044, GPU (4) 1 + 0.897 = 1.897 → CPU
    expect(chosen).toEqual(['cpu', 'gpu', 'gpu', 'gpu', 'gpu', 'cpu']);
    expect(policy.report?.()).toEqual({
      'f@1': {
        cpu: { chosen: 2, succeeded: 2, failed: 0, meanUs: 400 },
        gpu: { chosen: 4, succeeded: 4, failed: 0, meanUs: 100 },
      },
    });
  });

  it('is within the bound of the paper: 8 ln n / Δ² + 1 + π²/3 choices of the slower device', () => {
    const steps = 5000;
    // Rewards 1 and 0.5, so Δ = 0.5.
    const bound = (8 * Math.log(steps)) / 0.25 + 1 + Math.PI ** 2 / 3;
    for (const seed of SEEDS) {
      const slower = count(
        live(dispatch(ucb1), steps, seed, () => GPU_TWICE_AS_FAST),
        'cpu',
      );
      expect(slower).toBeLessThan(bound);
      // It never stops trying either.
      expect(slower).toBeGreaterThan(Math.log(steps));
    }
  });

  it('has a regret that grows with the logarithm', () => {
    const [short, long] = [regret(() => dispatch(ucb1), 500), regret(() => dispatch(ucb1), 8000)];
    // ln 8000 / ln 500 = 1.45, where choosing blindly would give 16.
    expect(long / short).toBeLessThan(2.5);
  });

  it('prefers the fast device of each function, not one for all', () => {
    const policy = dispatch(ucb1);
    expect(
      count(
        live(policy, 2000, 1, () => GPU_TWICE_AS_FAST),
        'gpu',
      ),
    ).toBeGreaterThan(1600);
    expect(
      count(
        live(policy, 2000, 2, () => CPU_TWICE_AS_FAST),
        'cpu',
      ),
    ).toBeGreaterThan(1600);
  });

  it('spreads a burst before anything is known', () => {
    const policy = dispatch(ucb1);
    const fn = new KnownFunction('f');
    const burst = Array.from({ length: 100 }, () => policy.choose(fn, DEVICES, loads(), 0) as Device);
    expect(count(burst, 'cpu')).toBe(50);
  });

  it.each(['timeout', 'crashed', 'user_error'] as ErrorClass[])('learns that %s is no fast answer', (errorClass) => {
    const policy = dispatch(ucb1);
    const fn = new KnownFunction('f');
    const chosen: Device[] = [];
    for (let i = 0; i < 1000; i++) {
      const device = policy.choose(fn, DEVICES, loads(), i) as Device;
      chosen.push(device);
      // The GPU fails after a microsecond; the CPU answers after a second.
      if (device === 'gpu') policy.ended(invocationOf(fn, 'gpu', i), failed(errorClass), i + 1);
      else succeed(policy, fn, 'cpu', 1e6, i);
    }
    expect(count(chosen, 'cpu')).toBeGreaterThan(950);
  });

  it('takes back what never ran', () => {
    const policy = dispatch(ucb1);
    const fn = new KnownFunction('f');
    const device = policy.choose(fn, DEVICES, loads(), 0) as Device;
    policy.ended({ ...invocationOf(fn, device), attempts: 0, containerState: null }, failed('overloaded'), 1);
    expect(policy.choose(fn, DEVICES, loads(), 0)).toBe(device);
  });
});

describe('mwua', () => {
  const weights = (policy: DispatchPolicy): Means =>
    stateOf<Record<string, { weights: Means }>>(policy)['f@1']?.weights as Means;
  const make =
    (parameters: PolicyParameters = {}) =>
    (seed: number): DispatchPolicy =>
      dispatch(mwua, parameters, seededRandom(seed));

  it('follows the formula, worked out by hand', () => {
    const policy = make({ exploration: 0 })(1);
    const fn = new KnownFunction('f');
    // Both are tried first. The CPU's 400 ms have nothing to be compared with yet.
    expect(policy.choose(fn, DEVICES, loads(), 0)).toBe('cpu');
    succeed(policy, fn, 'cpu', 400_000);
    expect(weights(policy)).toEqual({ cpu: 0.5, gpu: 0.5 });
    expect(policy.choose(fn, DEVICES, loads(), 0)).toBe('gpu');
    succeed(policy, fn, 'gpu', 100_000);
    // t = 100: m_cpu = (400 − 100) / 400 = 0.75, factor 1 − 0.3 · 0.75 = 0.775; m_gpu = 0. 0.3875 / 0.8875 = 0.43662.
    expect(weights(policy).cpu).toBeCloseTo(0.43662, 5);
    succeed(policy, fn, 'gpu', 100_000);
    // 0.43662 · 0.775 = 0.33838; / (0.33838 + 0.56338) = 0.37524.
    expect(weights(policy).cpu).toBeCloseTo(0.37524, 5);
    policy.ended(invocationOf(fn, 'gpu'), failed('crashed'), 1);
    // Cost 1: 0.62476 · 0.7 = 0.43733; 0.37524 / 0.81257 = 0.46179.
    expect(weights(policy).cpu).toBeCloseTo(0.4618, 4);
  });

  it('keeps to its device while that costs nothing, and leaves it by the product of its factors', () => {
    const draws: number[] = [];
    const policy = dispatch(mwua, { exploration: 0 }, () => draws.shift() ?? 0.99);
    const fn = new KnownFunction('f');
    for (const [device, us] of [
      ['cpu', 100_000],
      ['gpu', 400_000],
    ] as const) {
      policy.choose(fn, DEVICES, loads(), 0);
      succeed(policy, fn, device, us);
    }
    // Of three draws a choice takes the first for exploring, the second for staying, the third for the device. The CPU has cost nothing: even 0.99 stays.
    expect(policy.choose(fn, DEVICES, loads(), 0)).toBe('cpu');
    policy.ended(invocationOf(fn, 'cpu'), failed('timeout'), 1);
    draws.push(0.9, 0.69);
    expect(policy.choose(fn, DEVICES, loads(), 0)).toBe('cpu');
    draws.push(0.9, 0.71, 0.99);
    expect(policy.choose(fn, DEVICES, loads(), 0)).toBe('gpu');
  });

  it('finds the better device', () => {
    for (const seed of SEEDS) {
      const chosen = live(make()(seed), 4000, seed, () => GPU_TWICE_AS_FAST).slice(2000);
      expect(count(chosen, 'gpu') / chosen.length).toBeGreaterThan(0.97);
      const other = live(make()(seed), 4000, seed, () => CPU_TWICE_AS_FAST).slice(2000);
      expect(count(other, 'cpu') / other.length).toBeGreaterThan(0.97);
    }
  });

  it('has a regret that grows with the root', () => {
    const [short, long] = [regret(make(), 1000), regret(make(), 16_000)];
    // sqrt(16) = 4, where choosing blindly would give 16.
    expect(long / short).toBeLessThan(6);
  });

  it('changes over when the devices change places', () => {
    for (const seed of SEEDS) {
      const world = (step: number): Means => (step < 3000 ? GPU_TWICE_AS_FAST : CPU_TWICE_AS_FAST);
      const chosen = live(make()(seed), 6000, seed, world).slice(5000);
      expect(count(chosen, 'cpu') / chosen.length).toBeGreaterThan(0.9);
    }
  });

  it('gets over a slow first start of the better device', () => {
    for (const seed of SEEDS) {
      const world = (step: number): Means => (step < 3 ? { cpu: 100_000, gpu: 10_000_000 } : GPU_TWICE_AS_FAST);
      const chosen = live(make()(seed), 3000, seed, world).slice(2000);
      expect(count(chosen, 'gpu') / chosen.length).toBeGreaterThan(0.9);
    }
  });

  it.each(['timeout', 'crashed', 'user_error'] as ErrorClass[])('learns that %s is no fast answer', (errorClass) => {
    const policy = make()(5);
    const fn = KnownFunction.with('f', { cpu: 1000, gpu: 1 });
    const chosen: Device[] = [];
    for (let i = 0; i < 1000; i++) {
      const device = policy.choose(fn, DEVICES, loads(), i) as Device;
      chosen.push(device);
      if (device === 'gpu') policy.ended(invocationOf(fn, 'gpu', i), failed(errorClass), i + 1);
      else succeed(policy, fn, 'cpu', 1e6, i);
    }
    expect(count(chosen.slice(500), 'cpu')).toBeGreaterThan(450);
  });
});
