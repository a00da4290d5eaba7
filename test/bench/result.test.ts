import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atLeast, atMost, median, percentile } from '../../bench/lib/result.js';

describe('percentile', () => {
  it('interpolates between closest ranks', () => {
    expect(percentile([4, 1, 3, 2], 0)).toBe(1);
    expect(percentile([4, 1, 3, 2], 50)).toBe(2.5);
    expect(percentile([4, 1, 3, 2], 100)).toBe(4);
    expect(percentile([10, 20], 99)).toBeCloseTo(19.9, 10);
    expect(percentile([7], 99)).toBe(7);
    expect(percentile([], 50)).toBeNaN();
  });

  it('leaves its input as it was', () => {
    const values = [3, 1, 2];
    percentile(values, 50);
    expect(values).toEqual([3, 1, 2]);
  });

  it('lies between least and greatest, never falls with p, and does not care for order', () => {
    const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 50 });
    const share = fc.double({ min: 0, max: 100, noNaN: true });
    fc.assert(
      fc.property(values, share, share, (some, p, q) => {
        const [low, high] = p <= q ? [p, q] : [q, p];
        const [at, after] = [percentile(some, low), percentile(some, high)];
        const slack = 1e-6;
        expect(at).toBeLessThanOrEqual(after + slack);
        expect(at).toBeGreaterThanOrEqual(Math.min(...some) - slack);
        expect(after).toBeLessThanOrEqual(Math.max(...some) + slack);
        expect(percentile([...some].reverse(), low)).toBe(at);
      }),
    );
  });
});

describe('median', () => {
  it('is the middle value, or the mean of the middle two', () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 7])).toBe(6);
    expect(median([])).toBeNaN();
  });
});

describe('targets', () => {
  it('hold at their limit', () => {
    expect(atMost('a', 2, 2).holds).toBe(true);
    expect(atMost('a', 2.001, 2).holds).toBe(false);
    expect(atLeast('a', 2, 2).holds).toBe(true);
    expect(atLeast('a', 1.999, 2).holds).toBe(false);
  });

  it('are missed by what could not be measured', () => {
    expect(atMost('a', Number.NaN, 2).holds).toBe(false);
    expect(atLeast('a', Number.NaN, 2).holds).toBe(false);
  });
});
