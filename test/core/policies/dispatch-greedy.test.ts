import { describe, expect, it } from 'vitest';
import type { DeviceLoads, DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import { dispatchPolicies } from '../../../src/core/dispatch/policies.js';
import type { PolicyParameters } from '../../../src/core/policy.js';
import { DEVICES, dispatch, KnownFunction, loads, stateOf } from '../conformance/dispatch-policy.js';

const PERIOD_US = 3_000_000;

function create(parameters: PolicyParameters = {}): DispatchPolicy {
  return dispatch(dispatchPolicies.greedy_weights, parameters);
}

/** Eight functions of gains 80, 70, … 10 % (of a second, a second): g = 100 ms, once a second, c from 900 to 200 ms. Named by their gain. */
function functions(): KnownFunction[] {
  return [80, 70, 60, 50, 40, 30, 20, 10].map((gain) =>
    KnownFunction.with(`g${gain}`, { cpu: 100 + gain * 10, gpu: 100, every: 1000 }),
  );
}

/** All are seen in one period and judged at the beginning of the next. */
function settle(
  policy: DispatchPolicy,
  all: readonly KnownFunction[],
  now: DeviceLoads = loads(),
  periods = 1,
): string[] {
  for (const fn of all) policy.choose(fn, DEVICES, now, 0);
  for (let period = 1; period <= periods; period++) {
    policy.choose(all[0] as KnownFunction, DEVICES, now, period * PERIOD_US);
  }
  return stateOf<{ set: { function: string }[] }>(policy).set.map((item) => item.function.replace('@1', ''));
}

const wide = (over: Partial<DeviceLoads> = {}): DeviceLoads => loads({ parallelism: () => 100, ...over });

describe('greedy_weights', () => {
  it('orders by seconds saved a second: a small gain that comes often beats a great one that is rare', () => {
    const often = KnownFunction.with('often', { cpu: 110, gpu: 100, every: 10 });
    const rare = KnownFunction.with('rare', { cpu: 5000, gpu: 100, every: 10_000 });
    const policy = create({ allow: 'fixed', cacheSize: 2 });
    // 10 ms / 10 ms = 1; 4900 ms / 10 s = 0.49.
    expect(settle(policy, [rare, often], wide())).toEqual(['often', 'rare']);
    expect(stateOf(policy)).toMatchObject({
      set: [
        { function: 'often@1', gain: expect.closeTo(1, 9), load: expect.closeTo(10, 9) },
        { function: 'rare@1', gain: expect.closeTo(0.49, 9), load: expect.closeTo(0.01, 9) },
      ],
    });
  });

  it('takes 100 s for the time between arrivals of what came once', () => {
    const once = KnownFunction.with('once', { cpu: 1100, gpu: 100 });
    const policy = create({ allow: 'fixed' });
    settle(policy, [once], wide());
    expect(stateOf(policy)).toMatchObject({ set: [{ gain: expect.closeTo(0.01, 9) }] });
  });

  it('never lets in what the GPU makes slower, or what did not run on both', () => {
    const slower = KnownFunction.with('slower', { cpu: 100, gpu: 101, every: 1 });
    const equal = KnownFunction.with('equal', { cpu: 100, gpu: 100, every: 1 });
    const unknown = KnownFunction.with('unknown', { cpu: 100, every: 1 });
    expect(settle(create({ allow: 'fixed' }), [slower, equal, unknown], wide())).toEqual([]);
  });

  it('lets in the top quarter or third, but no more than run at once', () => {
    expect(settle(create(), functions(), wide())).toEqual(['g80', 'g70']);
    expect(settle(create({ allow: 'top_third' }), functions(), wide())).toEqual(['g80', 'g70', 'g60']);
    expect(settle(create({ allow: 'top_third' }), functions(), loads())).toEqual(['g80', 'g70']);
    expect(settle(create(), functions().slice(0, 3), wide())).toEqual(['g80']);
  });

  it('load_limit: until the GPU time they ask for reaches the limit', () => {
    // Each asks for 0.1 s a second.
    expect(settle(create({ allow: 'load_limit', allowLoad: 0.25 }), functions(), wide())).toEqual([
      'g80',
      'g70',
      'g60',
    ]);
    expect(settle(create({ allow: 'load_limit', allowLoad: 0.25 }), functions(), loads())).toEqual(['g80', 'g70']);
    expect(settle(create({ allow: 'load_limit', allowLoad: 0 }), functions(), wide())).toEqual([]);
  });

  it('queue_tput: all while the queue is short, else what the GPUs get done', () => {
    const short = wide({ queueLength: () => 10, throughput: () => 0.35 });
    const long = wide({ queueLength: () => 11, throughput: () => 0.35 });
    expect(settle(create({ allow: 'queue_tput' }), functions(), short)).toHaveLength(8);
    expect(settle(create({ allow: 'queue_tput' }), functions(), long)).toEqual(['g80', 'g70', 'g60', 'g50']);
  });

  it('fixed: the first cacheSize, however few run at once', () => {
    expect(settle(create({ allow: 'fixed', cacheSize: 3 }), functions(), loads())).toEqual(['g80', 'g70', 'g60']);
  });

  it('incremental: grows when idle or working well, shrinks when much is queued in spite of it', () => {
    const size = (over: Partial<DeviceLoads>, periods = 1): number => {
      const policy = create({ allow: 'incremental' });
      // The very first choice computes too: it sees the state in which nothing moves.
      policy.choose(new KnownFunction('first'), DEVICES, loads({ queuedUs: () => 1e6, throughput: () => 0 }), -1);
      for (let i = 1; i <= periods; i++) {
        policy.choose(new KnownFunction(`f${i}`), DEVICES, loads({ parallelism: () => 1, ...over }), i * PERIOD_US);
      }
      return stateOf<{ size: number }>(policy).size;
    };
    const queue = (seconds: number, throughput: number) => ({
      queuedUs: () => seconds * 1e6,
      throughput: () => throughput,
    });
    expect(size(queue(0, 0))).toBe(6);
    expect(size(queue(15, 0.75))).toBe(4);
    expect(size(queue(15, 0.75), 9)).toBe(1);
    expect(size(queue(14.9, 0.75))).toBe(6);
    expect(size(queue(15, 0.74))).toBe(6);
    expect(size(queue(1, 0.6))).toBe(6);
    expect(size(queue(5, 0))).toBe(6);
    expect(size(queue(4.9, 0.59))).toBe(5);
    // For each slot: 30 s on two are 15 s.
    expect(size({ ...queue(30, 0.75), parallelism: () => 2 })).toBe(4);
  });

  it('computes when the time has come, not before', () => {
    const policy = create({ allow: 'fixed', cacheSize: 1, fixedAssignment: true });
    const [first, second] = functions() as [KnownFunction, KnownFunction];
    policy.choose(second, DEVICES, loads(), 0);
    expect(policy.choose(second, DEVICES, loads(), 1)).toBe('gpu');
    policy.choose(first, DEVICES, loads(), PERIOD_US - 1);
    expect(policy.choose(first, DEVICES, loads(), PERIOD_US - 1)).toBe('cpu');
    expect(policy.choose(first, DEVICES, loads(), PERIOD_US)).toBe('gpu');
    expect(policy.choose(second, DEVICES, loads(), PERIOD_US)).toBe('cpu');
  });

  it('sends the first half of the set to the GPU, the rest where it is answered first, all else to the CPU', () => {
    const all = functions();
    const busyGpu = wide({ completionUs: (_fn, device) => (device === 'cpu' ? 1 : 2) });
    const policy = create({ allow: 'fixed', cacheSize: 4 });
    settle(policy, all, busyGpu);
    const chosen = (now: DeviceLoads): string[] =>
      all.map((fn) => policy.choose(fn, DEVICES, now, PERIOD_US + 1) as string);
    // Places 0, 1 and 2 are no more than 4 / 2.
    expect(chosen(busyGpu)).toEqual(['gpu', 'gpu', 'gpu', 'cpu', 'cpu', 'cpu', 'cpu', 'cpu']);
    expect(chosen(wide())).toEqual(['gpu', 'gpu', 'gpu', 'gpu', 'cpu', 'cpu', 'cpu', 'cpu']);
  });

  it('fixedAssignment: all of the set, whatever the queue', () => {
    const all = functions();
    const busyGpu = wide({ completionUs: (_fn, device) => (device === 'cpu' ? 1 : 2) });
    const policy = create({ allow: 'fixed', cacheSize: 4, fixedAssignment: true });
    settle(policy, all, busyGpu);
    expect(policy.choose(all[3] as KnownFunction, DEVICES, busyGpu, PERIOD_US + 1)).toBe('gpu');
    expect(policy.choose(all[4] as KnownFunction, DEVICES, busyGpu, PERIOD_US + 1)).toBe('cpu');
  });
});
