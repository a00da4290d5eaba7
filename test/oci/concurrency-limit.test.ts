import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ConcurrencyLimit } from '../../src/backends/oci/concurrency-limit.js';

/**
 * Work that shares something with room for `capacity` pieces: with more of them at once each takes longer in proportion. Always `offered` pieces want to run; one ends at a
 * time. Resolves to the limits that were in force, end by end.
 */
function load(limit: ConcurrencyLimit, resource: Resource, ends: number): number[] {
  const { aloneUs, noise, random } = resource;
  const running: { left: number; began: number }[] = [];
  const limits: number[] = [];
  let now = 0;
  for (let end = 0; end < ends; end++) {
    while (running.length < Math.min(limit.limit, resource.offered)) {
      running.push({ left: aloneUs * (1 + noise * random()), began: now });
    }
    const speed = Math.min(1, resource.capacity / running.length);
    const next = running.reduce((least, piece) => (piece.left < least.left ? piece : least));
    const took = next.left / speed;
    now += took;
    for (const piece of running) piece.left -= took * speed;
    limit.ended(now - next.began, running.length);
    running.splice(running.indexOf(next), 1);
    limits.push(limit.limit);
  }
  return limits;
}

interface Resource {
  capacity: number;
  aloneUs: number;
  offered: number;
  /** Of each piece's work, as a part of it. */
  noise: number;
  random: () => number;
}

const resources = fc.record({
  capacity: fc.integer({ min: 1, max: 40 }),
  aloneUs: fc.integer({ min: 50, max: 1_000_000 }),
  offered: fc.constant(100),
  noise: fc.double({ min: 0, max: 0.1, noNaN: true }),
});

function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Without the probes, during which it is 2 whatever was found. */
function mean(limits: readonly number[]): number {
  const found = limits.filter((value) => value > 2);
  return found.reduce((sum, value) => sum + value, 0) / found.length;
}

describe('a concurrency limit', () => {
  it('stays what it was set to', () => {
    const limit = new ConcurrencyLimit(7);
    load(limit, { capacity: 2, aloneUs: 100, offered: 100, noise: 0, random: seeded(1) }, 500);
    expect(limit.limit).toBe(7);
  });

  it('finds the capacity of what it limits, and stays there under lasting load', () => {
    fc.assert(
      fc.property(resources, fc.integer(), (shape, seed) => {
        const limit = new ConcurrencyLimit(0);
        const resource = { ...shape, random: seeded(seed) };
        load(limit, resource, 4_000);
        const found = mean(load(limit, resource, 6_000));
        // Few enough to wait briefly, enough to keep all of it busy.
        expect(found).toBeGreaterThanOrEqual(Math.max(3, resource.capacity * 0.85));
        expect(found).toBeLessThanOrEqual(Math.max(13, resource.capacity * 1.3 + 8));
      }),
      { numRuns: 60 },
    );
  });

  it('is never below 2 nor above 64, whatever it is told', () => {
    const ends = fc.array(fc.tuple(fc.integer({ min: -5, max: 10_000_000 }), fc.integer({ min: 1, max: 200 })), {
      maxLength: 2_000,
    });
    fc.assert(
      fc.property(ends, (told) => {
        const limit = new ConcurrencyLimit(0);
        for (const [tookUs, running] of told) {
          limit.ended(tookUs, running);
          expect(limit.limit).toBeGreaterThanOrEqual(2);
          expect(limit.limit).toBeLessThanOrEqual(64);
          expect(Number.isInteger(limit.limit)).toBe(true);
        }
      }),
    );
  });

  it('does not grow while it is not reached', () => {
    const limit = new ConcurrencyLimit(0);
    load(limit, { capacity: 64, aloneUs: 100, offered: 1, noise: 0, random: seeded(1) }, 1_000);
    expect(limit.limit).toBe(4);
  });

  it('follows a resource that becomes slower, and one that becomes wider', () => {
    const limit = new ConcurrencyLimit(0);
    const resource = { capacity: 4, aloneUs: 1_000, offered: 100, noise: 0.05, random: seeded(3) };
    load(limit, resource, 4_000);
    const slower = { ...resource, aloneUs: 10_000 };
    load(limit, slower, 4_000);
    expect(mean(load(limit, slower, 2_000))).toBeLessThanOrEqual(13);
    const wider = { ...slower, capacity: 30 };
    load(limit, wider, 6_000);
    expect(mean(load(limit, wider, 4_000))).toBeGreaterThanOrEqual(25);
  });
});
