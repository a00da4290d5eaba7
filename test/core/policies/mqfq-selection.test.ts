import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import { queueFunction } from '../conformance/queue-policy.js';
import { Driver, functions, MS, mqfq, type Variant } from './mqfq-support.js';

type Three = [FunctionRecord, FunctionRecord, FunctionRecord];

/**
 * f0: S 100, F 300, 2 queued, 1 in flight. f1: S 0, F 240, 4 queued, 0 in flight. f2: S 250, F 500, 1 queued, 1 in flight. VT 0, T 200: f2 is throttled. Last
 * served f2, at 20 ms; f0 at 10 ms; f1 never.
 */
function scene(variant: Variant, parameters: Record<string, number> = {}, seed = 1): Driver {
  const [f0, f1, f2] = functions(100, 60, 250) as Three;
  const d = new Driver(mqfq(variant, { allowedOverrunMs: 200, ...parameters }, 1, seed));
  const [a] = d.push(f0, 3);
  d.push(f1, 4);
  const [b] = d.push(f2, 2);
  d.now = 10 * MS;
  if (a !== undefined) d.start(a);
  d.now = 20 * MS;
  if (b !== undefined) d.start(b);
  expect([f0, f1, f2].map((fn) => d.tags(fn))).toEqual([
    [100, 300, 'active'],
    [0, 240, 'active'],
    [250, 500, 'throttled'],
  ]);
  return d;
}

const chosen = (d: Driver, device = 0): string | undefined => d.queue.choose(device, d.now)?.fn.spec.name;

/** Over many seeds: which flows are drawn, and that each keeps to its draw. */
function everDrawn(variant: Variant, parameters: Record<string, number> = {}): string[] {
  const seen = new Set<string>();
  for (let seed = 0; seed < 60; seed++) {
    const d = scene(variant, parameters, seed);
    const first = chosen(d) as string;
    for (let i = 0; i < 5; i++) expect(chosen(d)).toBe(first);
    expect(chosen(d, 1)).toBe(first);
    seen.add(first);
  }
  return [...seen].sort();
}

describe('mqfq variants', () => {
  it('mqfq: least start tag', () => {
    expect(chosen(scene('mqfq'))).toBe('f1');
  });

  it('mqfq: a flow with an idle warm container on the device first, unless it is throttled', () => {
    const warm = [0, 1, 0, 0].map((warmGpu, index) => queueFunction(index, { execUs: 100 * MS, warmGpu: warmGpu }));
    const cold = queueFunction(9, { execUs: 100 * MS });
    const d = new Driver(mqfq('mqfq', { allowedOverrunMs: 150 }));
    d.push(cold);
    for (const fn of warm) d.push(fn, 4);
    expect([chosen(d, 0), chosen(d, 1), chosen(d, 2)]).toEqual(['f0', 'f1', 'f9']);
    // f0, f2 and f3 in turn; each is throttled when its S is 200 and VT still 0.
    expect(d.order(6)).toBe('f0 f2 f3 f0 f2 f3');
    expect(d.order(1)).toBe('f9');
    expect(d.order(1)).toBe('f1');
    // VT is 100 now.
    expect(d.order(1)).toBe('f0');
  });

  it('mqfq_sticky: the same flow until it is throttled or empty', () => {
    const [f0, f1, f2] = functions(100, 100, 100) as Three;
    const d = new Driver(mqfq('mqfq_sticky', { allowedOverrunMs: 150 }));
    for (const fn of [f0, f1, f2]) d.push(fn, 3);
    // S of f0 is 200 after two of its own, of which 150 are allowed; then f1, then f2, which brings VT to 100. f2 stays until it is empty.
    expect(d.order(9)).toBe('f0 f0 f1 f1 f2 f2 f2 f0 f1');
  });

  it('mqfq_sticky: one that was chosen and not started binds nothing', () => {
    const [f0, f1] = functions(100, 100) as Three;
    const d = new Driver(mqfq('mqfq_sticky'));
    const a = d.one(f0);
    d.push(f1, 2);
    expect(chosen(d)).toBe('f0');
    d.queue.remove(a);
    expect(d.order(2)).toBe('f1 f1');
  });

  it('mqfq_longest, mqfq_wait, mqfq_finish: the extreme of those that are not throttled', () => {
    // Longest 4 of f1; F − S: 200, 240, (250); F: 300, 240, (500).
    expect([chosen(scene('mqfq_longest')), chosen(scene('mqfq_wait')), chosen(scene('mqfq_finish'))]).toEqual([
      'f1',
      'f1',
      'f0',
    ]);
    // Nobody is throttled.
    const free = { allowedOverrunMs: 250 };
    const all = (['mqfq_longest', 'mqfq_wait', 'mqfq_finish'] as const).map((variant) => {
      const d = new Driver(mqfq(variant, free));
      const [f0, f1, f2] = functions(100, 60, 250) as Three;
      d.push(f0, 2);
      d.push(f1, 4);
      d.push(f2, 1);
      return chosen(d);
    });
    expect(all).toEqual(['f1', 'f2', 'f2']);
  });

  it('mqfq_random: any that is not throttled, drawn once a change', () => {
    expect(everDrawn('mqfq_random')).toEqual(['f0', 'f1']);
  });

  it('mqfq_select_rand: any of the top by finish tag', () => {
    // One is looked at: f0 has the largest F of those not throttled.
    expect(everDrawn('mqfq_select_rand')).toEqual(['f0']);
    expect(everDrawn('mqfq_select_rand', { selectCount: 1.5 })).toEqual(['f0', 'f1']);
  });

  it('mqfq_select_*: best of the top by finish tag', () => {
    const variants = ['mqfq_select_out', 'mqfq_select_service', 'mqfq_select_len', 'mqfq_select_out_len'] as const;
    for (const variant of variants) {
      expect(chosen(scene(variant))).toBe('f0');
      // Of f0 and f1: fewest in flight, never served, longest.
      expect(chosen(scene(variant, { selectCount: 2 }))).toBe('f1');
    }
  });

  it('mqfq_select_*: differ where they should', () => {
    const [f0, f1, f2] = functions(100, 100, 100) as Three;
    const make = (variant: Variant): string | undefined => {
      const d = new Driver(mqfq(variant, { selectCount: 3 }));
      d.push(f0, 4); // 2 more start, at 1
      d.push(f1, 3); // 1 more starts, at 2
      d.push(f2, 2); // 1 more starts at 3 and ends at 4
      for (const [now, fn] of [
        [1, f0],
        [1, f0],
        [2, f1],
        [3, f2],
      ] as [number, FunctionRecord][]) {
        d.now = now;
        const one = d.one(fn);
        d.start(one);

        if (fn === f2) {
          d.now = 4;
          d.end(one);
        }
      }
      expect([f0, f1, f2].map((fn) => [d.flow(fn).queued, d.flow(fn).inFlight])).toEqual([
        [4, 2],
        [3, 1],
        [2, 0],
      ]);
      return chosen(d);
    };
    expect([make('mqfq_select_out'), make('mqfq_select_service'), make('mqfq_select_len')]).toEqual(['f2', 'f0', 'f0']);
  });

  it('mqfq_select_out_len: of equally long ones the fewest in flight', () => {
    const [f0, f1] = functions(100, 100) as Three;
    const pick = (variant: Variant): string | undefined => {
      const d = new Driver(mqfq(variant, { selectCount: 2 }));
      const a = d.one(f0);
      d.start(a);
      d.push(f0, 2);
      d.push(f1, 2);
      return chosen(d);
    };
    expect([pick('mqfq_select_len'), pick('mqfq_select_out_len')]).toEqual(['f0', 'f1']);
  });

  it('mqfq_select_*: look at as many as run at once, at a number, or at a part of the active flows', () => {
    const many = functions(10, 20, 30, 40, 50, 60, 70, 80);
    const seen = (selectCount: number, parallelism: number): number => {
      const names = new Set<string | undefined>();
      for (let seed = 0; seed < 200; seed++) {
        const d = new Driver(mqfq('mqfq_select_rand', { selectCount }, parallelism, seed));
        for (const fn of many) d.push(fn);
        names.add(chosen(d));
      }
      // Those with the largest F, exactly: the last ones.
      expect([...names].sort()).toEqual(many.slice(-names.size).map((fn) => fn.spec.name));
      return names.size;
    };
    expect([seen(0, 3), seen(4.2, 3), seen(2, 3), seen(0.5, 1), seen(0.51, 1), seen(1, 1)]).toEqual([3, 5, 3, 4, 5, 8]);
  });
});
