import { describe, expect, it } from 'vitest';
import type { DeviceLoads, DispatchPolicy } from '../../../src/core/dispatch/dispatch-policy.js';
import { dispatchPolicies } from '../../../src/core/dispatch/policies.js';
import type { ErrorClass } from '../../../src/core/errors.js';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { PolicyParameters } from '../../../src/core/policy.js';
import type { Random } from '../../../src/core/random.js';
import {
  DEVICES,
  dispatch,
  failed,
  invocationOf,
  KnownFunction,
  loads,
  stateOf,
} from '../conformance/dispatch-policy.js';

interface Report {
  residents: Record<string, { credit: number; uses: number }>;
  sizeMs: number;
  lost: Record<string, number>;
  hits: number;
  insufficientCredit: number;
  misses: number;
  admitted: number;
  evicted: number;
}

/** Wins no lottery but the first, whose chance is 1. */
const unlucky: Random = () => 0.999;

/** A policy, and a world in which each function's gain is what its CPU would take; ms. The GPU's own time to the answer is estimated as nothing. */
class Game {
  readonly policy: DispatchPolicy;
  readonly gains = new Map<FunctionRecord, number>();
  readonly queued = new Map<FunctionRecord, number>();
  readonly functions = new Map<string, KnownFunction>();
  gpuUs = 0;
  active = 0;
  backlogUs = 0;

  constructor(
    name: 'landlord' | 'landlord_fixed' | 'landlord_lru' | 'landlord_lfu',
    parameters: PolicyParameters = {},
  ) {
    this.policy = dispatch(dispatchPolicies[name], { maxSizeMs: 100, ...parameters }, unlucky);
  }

  /** 40 ms on the GPU unless said otherwise, and next to nothing on the CPU: what counts is the gain. */
  function(name: string, gpuMs = 40): KnownFunction {
    const known = this.functions.get(name);
    if (known !== undefined) return known;
    const fn = KnownFunction.with(name, { cpu: 0.001, gpu: gpuMs });
    this.functions.set(name, fn);
    return fn;
  }

  choose(name: string, gainMs = 10): string {
    const fn = this.function(name);
    this.gains.set(fn, gainMs);
    const now: DeviceLoads = loads({
      completionUs: (one, device) => (device === 'gpu' ? this.gpuUs : (this.gains.get(one) ?? 0) * 1000),
      queuedOf: (one) => this.queued.get(one) ?? 0,
      activeFunctions: () => this.active,
      queuedUs: () => this.backlogUs,
    });
    return this.policy.choose(fn, DEVICES, now, 0) as string;
  }

  /** Names and credits of the residents; ms. */
  get credits(): Record<string, number> {
    const entries = Object.entries(stateOf<Report>(this.policy).residents);
    return Object.fromEntries(entries.map(([key, { credit }]) => [key.replace('@1', ''), credit / 1000]));
  }

  get residents(): string[] {
    return Object.keys(this.credits).sort();
  }

  get report(): Report {
    return stateOf<Report>(this.policy);
  }
}

describe('landlord_fixed', () => {
  it('charges rent by size when nothing is queued, evicts the least credit, admits with the gain: by hand', () => {
    const game = new Game('landlord_fixed', { hitCredit: 'add' });
    expect(game.choose('a', 90)).toBe('gpu');
    expect(game.credits).toEqual({ a: 90 });
    // Rent 60: a has 30 left. 40 + 40 ≤ 100, so nobody goes.
    expect(game.choose('b', 60)).toBe('gpu');
    expect(game.credits).toEqual({ a: 30, b: 60 });
    // Rent 30, half each: a 15, b 45. Three do not fit: a goes.
    expect(game.choose('c', 30)).toBe('gpu');
    expect(game.credits).toEqual({ b: 45, c: 30 });
    // A hit: 45 + 60.
    expect(game.choose('b', 60)).toBe('gpu');
    expect(game.credits).toEqual({ b: 105, c: 30 });
    // Rent 90: b 60, and c, who cannot pay 45, goes by that; then there is room.
    expect(game.choose('a', 90)).toBe('gpu');
    expect(game.credits).toEqual({ b: 60, a: 90 });
    expect(game.report).toMatchObject({ hits: 1, misses: 4, admitted: 4, evicted: 1, sizeMs: 80 });
  });

  it('charges the greater one more: rent per size is the same for all, as in the paper', () => {
    const game = new Game('landlord_fixed');
    game.function('small', 20);
    game.function('large', 60);
    game.function('new', 20);
    game.choose('small', 50);
    game.choose('large', 90);
    // small was alone and could not pay 90.
    expect(game.credits).toEqual({ large: 90 });
    game.choose('small', 40);
    expect(game.credits).toEqual({ large: 50, small: 40 });
    // 20 of rent on sizes 60 and 20: 15 and 5.
    game.choose('new', 20);
    expect(game.credits).toEqual({ large: 35, small: 35, new: 20 });
  });

  it('charges by queued work where there is any: three queued pay three times as much', () => {
    const game = new Game('landlord_fixed', { maxSizeMs: 1000 });
    // Misses: a 100; a 80, b 20; a 75, b 15, idle 10. Then hits.
    for (const [name, gain] of Object.entries({ a: 100, b: 20, idle: 10 })) game.choose(name, gain);
    for (const [name, gain] of Object.entries({ a: 25, b: 85, idle: 90 })) game.choose(name, gain);
    expect(game.credits).toEqual({ a: 100, b: 100, idle: 100 });
    game.queued.set(game.function('a'), 3);
    game.queued.set(game.function('b'), 1);
    game.choose('new', 40);
    expect(game.credits).toEqual({ a: 70, b: 90, idle: 100, new: 40 });
  });

  it('with hitCredit reset, a hit raises the credit to the gain and no further', () => {
    const game = new Game('landlord_fixed', { hitCredit: 'reset' });
    game.choose('a', 50);
    game.choose('a', 80);
    expect(game.credits).toEqual({ a: 80 });
    game.choose('a', 20);
    expect(game.credits).toEqual({ a: 80 });
  });

  it('never holds more than fits, and never what does not fit alone', () => {
    const game = new Game('landlord_fixed');
    game.choose('small', 2000);
    game.function('huge', 101);
    expect(game.choose('huge', 1000)).toBe('cpu');
    expect(game.residents).toEqual(['small']);
    for (let i = 0; i < 60; i++) {
      game.function(`f${i % 7}`, 10 + (i % 7) * 13);
      game.choose(`f${(i * 5) % 7}`, 1 + ((i * 7) % 50));
      expect(game.report.sizeMs).toBeLessThanOrEqual(100);
    }
    expect(game.report.evicted).toBeGreaterThan(5);
  });

  it('evicts nobody who has something queued on the GPU', () => {
    const game = new Game('landlord_fixed');
    game.choose('a', 10);
    game.choose('b', 0);
    for (const name of ['a', 'b']) game.queued.set(game.function(name), 1);
    expect(game.choose('c', 0)).toBe('cpu');
    game.queued.set(game.function('b'), 0);
    expect(game.choose('c', 0)).toBe('gpu');
    expect(game.residents).toEqual(['a', 'c']);
  });
});

describe('landlord', () => {
  it('counts what the GPU saves: the CPU less the GPU, 5 % dearer for each active function', () => {
    const game = new Game('landlord');
    game.gpuUs = 10_000;
    game.active = 4;
    game.choose('a', 50);
    // The smoothed estimate of 10 ms is at first 0.1 · 10 + 0.7 · 10 = 8 ms; 50 − 8 · 1.2 = 40.4.
    expect(game.credits['a']).toBeCloseTo(40.4, 9);
    game.choose('a', 50);
    // Then 0.1 · 8 + 0.7 · 10 + 0.2 · (10 − 8) = 8.2; 50 − 8.2 · 1.2 = 40.16.
    expect(game.credits['a']).toBeCloseTo(80.56, 9);
  });

  it('keeps a resident away from the GPU when it would lose more there than it has credit', () => {
    const game = new Game('landlord');
    game.choose('a', 20);
    game.gpuUs = 100_000;
    // Estimates rise to about 80 ms: 10 − 80 is a loss that 20 of credit do not cover. It stays resident.
    expect(game.choose('a', 10)).toBe('cpu');
    expect(game.residents).toEqual(['a']);
    expect(game.report.insufficientCredit).toBe(1);
    expect(game.choose('a', 1000)).toBe('gpu');
  });

  /** One that has used the GPU and is not resident, so that luck alone does not let it in. */
  function outsider(game: Game): string {
    game.choose('out', 1);
    game.policy.ended(invocationOf(game.function('out'), 'gpu'), failed('crashed'), 1);
    expect(game.residents).not.toContain('out');
    return 'out';
  }

  it('lets in what is new: the first time always, later with a chance of 1 / (1 + uses)', () => {
    let draw = 0;
    const fn = KnownFunction.with('f', { cpu: 1, gpu: 40 });
    const policy = dispatch(dispatchPolicies.landlord, { maxSizeMs: 100 }, () => draw);
    const now = loads({ completionUs: (_fn, device) => (device === 'cpu' ? 0 : 1e6), queuedUs: () => 1e9 });
    draw = 0.999;
    expect(policy.choose(fn, DEVICES, now, 0)).toBe('gpu');
    policy.ended(invocationOf(fn, 'gpu'), failed('crashed'), 1);
    draw = 0.5;
    expect(policy.choose(fn, DEVICES, now, 0)).toBe('cpu');
    draw = 0.499;
    expect(policy.choose(fn, DEVICES, now, 0)).toBe('gpu');
  });

  it('below the load threshold admits exactly what gains', () => {
    const game = new Game('landlord', { loadThreshold: 0.5 });
    const name = outsider(game);
    game.backlogUs = 49_999;
    // Estimated at some 9 ms on the GPU, by the smoothing.
    game.gpuUs = 10_000;
    expect(game.choose(name, 5)).toBe('cpu');
    expect(game.choose(name, 20)).toBe('gpu');
  });

  it('above the slowdown threshold admits nothing, and one leaves when the GPU is full', () => {
    const game = new Game('landlord', { loadThreshold: 0, slowdownThreshold: 4 });
    const name = outsider(game);
    game.choose('a', 500);
    game.choose('b', 100);
    // Over 4 · 40 ms, though the estimate is a smoothed one.
    game.gpuUs = 400_000;
    expect(game.choose(name, 0)).toBe('cpu');
    expect(game.residents).toEqual(['a', 'b']);
    game.gpuUs = 0;
    game.choose('c', 10);
    expect(game.report.sizeMs).toBe(120);
    game.gpuUs = 400_000;
    expect(game.choose(name, 0)).toBe('cpu');
    expect(game.residents).toEqual(['a', 'b']);
  });

  it('between the two, admits in exchange for who has less credit than the newcomer has lost by now', () => {
    const game = new Game('landlord', { loadThreshold: 0 });
    const name = outsider(game);
    game.choose('a', 100);
    // Losses 10, 20, 30, 40, while the rent takes a's credit down: 90, 80, 70, 60; at 50 they meet.
    const chosen = Array.from({ length: 5 }, () => game.choose(name, 10));
    expect(chosen).toEqual(['cpu', 'cpu', 'cpu', 'cpu', 'gpu']);
    expect(game.residents).toEqual(['out']);
    expect(game.report.lost['out@1']).toBe(0);
  });

  it.each(['timeout', 'crashed', 'start_failed'] as ErrorClass[])('puts out whom the GPU fails: %s', (errorClass) => {
    const game = new Game('landlord');
    game.choose('a', 20);
    const fn = game.function('a');
    game.policy.ended(invocationOf(fn, 'cpu'), failed(errorClass), 1);
    game.policy.ended(invocationOf(fn, 'gpu'), failed('user_error'), 1);
    game.policy.ended(invocationOf(fn, 'gpu'), failed('cancelled'), 1);
    expect(game.residents).toEqual(['a']);
    game.policy.ended(invocationOf(fn, 'gpu'), failed(errorClass), 1);
    expect(game.residents).toEqual([]);
  });

  it('keeps all sums finite with endless estimates and no work at all', () => {
    const game = new Game('landlord');
    for (const gain of [Number.POSITIVE_INFINITY, 0, Number.NaN, 1e300]) {
      for (const name of ['a', 'b', 'c']) game.choose(name, gain);
    }
    for (const credit of Object.values(game.credits)) expect(Number.isFinite(credit)).toBe(true);
  });
});

describe('landlord_lru and landlord_lfu', () => {
  const fixed = { fixedMode: true };

  it('LRU: who was used longest ago goes, and a miss costs the others nothing', () => {
    const game = new Game('landlord_lru', fixed);
    for (const name of ['a', 'b', 'a', 'c']) expect(game.choose(name)).toBe('gpu');
    expect(game.residents).toEqual(['a', 'c']);
    game.choose('b');
    expect(game.residents).toEqual(['b', 'c']);
  });

  it('LFU: who was used least often goes; of equals, the one used longest ago', () => {
    const game = new Game('landlord_lfu', fixed);
    for (const name of ['a', 'a', 'a', 'b', 'b', 'c']) game.choose(name);
    expect(game.residents).toEqual(['a', 'c']);
    // b has been used twice before, and this is the third time; c once.
    game.choose('b');
    expect(game.residents).toEqual(['a', 'b']);
    game.choose('d');
    expect(game.residents).toEqual(['b', 'd']);
  });

  it('LFU: of two used equally often, the one whose last use is older goes, not the one that came first', () => {
    const game = new Game('landlord_lfu', fixed);
    for (const name of ['a', 'b', 'b', 'a', 'c']) game.choose(name);
    expect(game.residents).toEqual(['a', 'c']);
  });

  it('always hit with what is resident, however slow the GPU seems', () => {
    for (const name of ['landlord_lru', 'landlord_lfu'] as const) {
      const game = new Game(name, fixed);
      game.choose('a');
      game.gpuUs = 1e9;
      expect(game.choose('a', 0)).toBe('gpu');
      expect(game.report).toMatchObject({ hits: 1, misses: 1 });
    }
  });

  it('do as a list of the definition does, on a long random history', () => {
    const draws = Array.from({ length: 500 }, (_, i) => `f${(i * i * 7 + i * 3 + (i >> 3)) % 11}`);
    const lru: string[] = [];
    const game = new Game('landlord_lru', fixed);
    for (const name of draws) {
      game.choose(name);
      const at = lru.indexOf(name);
      if (at >= 0) lru.splice(at, 1);
      else if (lru.length === 2) lru.shift();
      lru.push(name);
      expect(game.residents).toEqual([...lru].sort());
    }
  });
});
