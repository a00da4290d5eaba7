import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SAMPLING_STRATEGIES, type SamplingStrategy } from '../../src/load/generate/choices.js';
import { closestSample, wassersteinDistance } from '../../src/load/generate/closest-sample.js';
import type { Population } from '../../src/load/generate/population.js';
import { sampleFunctions } from '../../src/load/generate/sampling.js';
import { ArrayTrace } from '../../src/traces/array-trace.js';
import { refusal } from '../sim/support/files.js';

/** 100 functions; function i is called 1 + i times. */
const FUNCTIONS = 100;
const { functions } = new ArrayTrace(
  Array.from({ length: FUNCTIONS }, (_, i) => ({ name: `f${i}`, memoryMb: 1 + i, warmUs: 1000 * (1 + i) })),
  [],
);
const population: Population = {
  functions,
  counts: Float64Array.from({ length: FUNCTIONS }, (_, i) => 1 + i),
  lengthUs: 1e9,
};
const all = functions.map((_, i) => i);
const strategies = Object.keys(SAMPLING_STRATEGIES) as SamplingStrategy[];
const sample = (strategy: SamplingStrategy, count: number, seed = 1): number[] =>
  sampleFunctions(population, all, { strategy, count, seed, candidates: 20 });

describe('choosing functions of a trace', () => {
  it.each(strategies)('%s: as many as asked for, none twice, the same for the same seed', (strategy) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: FUNCTIONS }), fc.integer({ min: 0, max: 1000 }), (count, seed) => {
        const chosen = sample(strategy, count, seed);
        expect(chosen).toEqual([...new Set(chosen)].sort((a, b) => a - b));
        expect(chosen.length).toBe(count);
        expect(sample(strategy, count, seed)).toEqual(chosen);
      }),
      { numRuns: 20 },
    );
  });

  it.each(['representative', 'in-vitro', 'random', 'popularity'] as const)(
    '%s: another seed, another choice',
    (strategy) => {
      expect(sample(strategy, 10, 1)).not.toEqual(sample(strategy, 10, 2));
    },
  );

  it('rare and popular are the two ends', () => {
    expect(sample('rare', 5)).toEqual([0, 1, 2, 3, 4]);
    expect(sample('popular', 5)).toEqual([95, 96, 97, 98, 99]);
  });

  it('representative: each quartile has its share, and what is left goes to the popular ones', () => {
    const quartiles = (count: number): number[] => {
      const chosen = sample('representative', count, 7);
      return [0, 1, 2, 3].map((quartile) => chosen.filter((index) => Math.floor(index / 25) === quartile).length);
    };
    expect(quartiles(20)).toEqual([5, 5, 5, 5]);
    expect(quartiles(1)).toEqual([0, 0, 0, 1]);
    expect(quartiles(6)).toEqual([1, 2, 1, 2]);
  });

  it('popularity: the chance is how often a function is called', () => {
    const chosen = Array.from({ length: 5000 }, (_, seed) => sample('popularity', 1, seed)[0] as number);
    const upper = chosen.filter((index) => index >= 50).length / 5000;
    // Σ51…100 / Σ1…100 = 0.7475; five standard deviations of 5,000 draws are 0.031.
    expect(upper).toBeGreaterThan(0.7475 - 0.031);
    expect(upper).toBeLessThan(0.7475 + 0.031);
  });

  it('in-vitro: of the samples that it is shown, the one that is like the whole', () => {
    const shown = [
      [0, 1, 2, 3],
      [12, 37, 62, 87],
      [90, 91, 92, 93],
    ];
    const options = { count: 4, candidates: shown.length, draw: () => shown.shift() as number[] };
    expect(closestSample(population, all, options)).toEqual([12, 37, 62, 87]);
  });

  it('says how many there are when more are asked for', async () => {
    expect(await refusal(() => sample('random', FUNCTIONS + 1))).toMatch(/101 functions are asked for, and 100 are/);
  });
});

describe('the Wasserstein distance', () => {
  const values = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 12 });
  const ascending = (of: readonly number[]): Float64Array => Float64Array.from(of).sort();

  it('is 0 of a distribution and itself, however often each value stands there', () => {
    fc.assert(
      fc.property(values, (some) => {
        expect(wassersteinDistance(ascending(some), ascending([...some, ...some]))).toBeCloseTo(0, 9);
      }),
    );
  });

  it('is how far one was moved, and symmetric', () => {
    fc.assert(
      fc.property(values, values, fc.integer({ min: 0, max: 100 }), (some, others, by) => {
        expect(wassersteinDistance(ascending(some), ascending(some.map((value) => value + by)))).toBeCloseTo(by, 9);
        const there = wassersteinDistance(ascending(some), ascending(others));
        expect(wassersteinDistance(ascending(others), ascending(some))).toBeCloseTo(there, 9);
        // W₁ is at least the difference of the means.
        const mean = (of: readonly number[]): number => of.reduce((sum, value) => sum + value, 0) / of.length;
        expect(there).toBeGreaterThanOrEqual(Math.abs(mean(some) - mean(others)) - 1e-9);
      }),
    );
  });
});
