import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Histogram } from '../../src/results/histogram.js';

const values = fc.array(fc.oneof(fc.nat(600), fc.nat(2 ** 31 - 1), fc.maxSafeNat()), { minLength: 1, maxLength: 200 });

describe('the histogram', () => {
  it('gives any quantile to within 0.4 %, never too great', () => {
    fc.assert(
      fc.property(values, fc.constantFrom(0.01, 0.5, 0.9, 0.99, 1), (all, q) => {
        const histogram = new Histogram();
        for (const value of all) histogram.add(value);
        const sorted = [...all].sort((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * all.length)) - 1] as number;
        const found = histogram.quantile(q);
        expect(found).toBeLessThanOrEqual(exact);
        expect(found).toBeGreaterThanOrEqual(exact * (1 - 1 / 256));
      }),
    );
  });

  it('is exact for small values, and knows mean and greatest', () => {
    const histogram = new Histogram();
    for (let value = 0; value < 512; value++) histogram.add(value);
    expect(histogram.quantile(0.5)).toBe(255);
    expect(histogram.quantile(1)).toBe(511);
    expect(histogram.mean).toBe(255.5);
    expect(histogram.max).toBe(511);
  });

  it('has 0 to say about nothing', () => {
    const histogram = new Histogram();
    expect([histogram.quantile(0.5), histogram.mean, histogram.max]).toEqual([0, 0, 0]);
  });
});
