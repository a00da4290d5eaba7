import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/core/index.js';
import type { Arrivals, Rate } from '../../src/load/arrivals/arrivals.js';
import { ConstantRate } from '../../src/load/arrivals/constant-rate.js';
import { describeArrivals } from '../../src/load/arrivals/describe-arrivals.js';
import { LimitedArrivals } from '../../src/load/arrivals/limited-arrivals.js';
import { OnOffRate } from '../../src/load/arrivals/on-off-rate.js';
import { ProcessArrivals } from '../../src/load/arrivals/process-arrivals.js';
import { RampRate } from '../../src/load/arrivals/ramp-rate.js';
import { EvenSpacing, PoissonSpacing } from '../../src/load/arrivals/spacings.js';

const SECOND = 1_000_000;
const ENDLESS = Number.POSITIVE_INFINITY;

async function times(arrivals: Arrivals): Promise<number[]> {
  const all: number[] = [];
  for await (const { count, atUs } of arrivals.arrivals()) all.push(...atUs.subarray(0, count));
  return all;
}

function poisson(rate: Rate, untilUs: number, seed: number): ProcessArrivals {
  return new ProcessArrivals({ rate, spacing: () => new PoissonSpacing(seededRandom(seed)), untilUs, count: ENDLESS });
}

function even(rate: Rate, untilUs: number, count = ENDLESS): ProcessArrivals {
  return new ProcessArrivals({ rate, spacing: () => new EvenSpacing(), untilUs, count });
}

const seeds = fc.integer({ min: 0, max: 1_000_000 });
const perSecond = fc.double({ min: 0.5, max: 5000, noNaN: true });

describe('arrivals', () => {
  it('come at exactly the rate when they are evenly spaced, for ever without drift', async () => {
    expect(await times(even(new ConstantRate(4), SECOND))).toEqual([0, 250_000, 500_000, 750_000]);
    // A third of a second is no whole number of µs.
    const all = await times(even(new ConstantRate(3), 10_000 * SECOND));
    expect([all.length, all.at(-3)]).toEqual([30_000, 9999 * SECOND]);
  });

  it('ascend, stay within their time, and are the same for the same seed', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, perSecond, async (seed, rate) => {
        const arrivals = poisson(new ConstantRate(rate), SECOND, seed);
        const all = await times(arrivals);
        expect(all.every((at, i) => at < SECOND && (i === 0 || at >= (all[i - 1] as number)))).toBe(true);
        expect(await times(arrivals)).toEqual(all);
        expect(await times(poisson(new ConstantRate(rate), SECOND, seed))).toEqual(all);
      }),
      { numRuns: 50 },
    );
  });

  it('of a Poisson process have its mean and variance, over many seeds', async () => {
    const counts: number[] = [];
    for (let seed = 0; seed < 400; seed++) {
      counts.push((await times(poisson(new ConstantRate(50), SECOND, seed))).length);
    }
    const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
    const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / counts.length;
    // Five standard errors of the mean, √(50 / 400), and as many of the variance, 50 √(2 / 400).
    expect(Math.abs(mean - 50)).toBeLessThan(1.8);
    expect(Math.abs(variance - 50)).toBeLessThan(18);
  });

  it('come in bursts and not between them', async () => {
    const all = await times(even(new OnOffRate(100, 200, 800), 3 * SECOND));
    expect(all.length).toBe(60);
    expect(all.every((at) => at % SECOND < 200_000)).toBe(true);
    await fc.assert(
      fc.asyncProperty(seeds, async (seed) => {
        const random = await times(poisson(new OnOffRate(500, 100, 400), 2 * SECOND, seed));
        expect(random.every((at) => at % 500_000 <= 100_000)).toBe(true);
      }),
      { numRuns: 20 },
    );
  });

  it('grow along a ramp, up, down and not at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 1, max: 300 }), async (from, to) => {
        const all = await times(even(new RampRate(from, to, 2000), 3 * SECOND));
        const within = all.filter((at) => at < 2 * SECOND).length;
        // The mean of both rates for two seconds, then the last for one; the first arrival, at 0, is one more.
        expect(Math.abs(within - (from + to))).toBeLessThanOrEqual(1);
        expect(Math.abs(all.length - within - to)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 60 },
    );
    const faded = await times(even(new RampRate(100, 0, 1000), 10 * SECOND));
    expect([faded.length, (faded.at(-1) as number) <= SECOND]).toEqual([51, true]);
  });

  it('are the same together when they are shared out, whatever the number of shares', async () => {
    await fc.assert(
      fc.asyncProperty(seeds, fc.integer({ min: 1, max: 7 }), async (seed, shares) => {
        const whole = poisson(new ConstantRate(2000), SECOND, seed);
        const parts = await Promise.all(
          Array.from({ length: shares }, (_, share) =>
            times(new LimitedArrivals(whole, { untilUs: ENDLESS, count: 1500, share, shares })),
          ),
        );
        const all = (await times(whole)).slice(0, 1500);
        expect(parts.flat().sort((a, b) => a - b)).toEqual(all);
        const sizes = parts.map(({ length }) => length);
        expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
      }),
      { numRuns: 25 },
    );
  });

  it('end at a count, over batches', async () => {
    const facts = await describeArrivals(even(new ConstantRate(1000), ENDLESS, 20_000));
    expect([facts.count, facts.lastUs, facts.byFunction.get(0)]).toEqual([20_000, 19_999_000, 20_000]);
  });

  it.each([
    ['a rate of 0', () => new ConstantRate(0)],
    ['a rate that is no number', () => new ConstantRate(Number.NaN)],
    ['a burst without length', () => new OnOffRate(1, 0, 10)],
    ['a ramp to a negative rate', () => new RampRate(1, -1, 10)],
    ['a ramp from nothing to nothing', () => new RampRate(0, 0, 10)],
  ])('refuse %s', (_what, make) => {
    expect(make).toThrow(expect.objectContaining({ errorClass: 'invalid' }));
  });
});
