import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EvictionPolicy } from '../../../src/core/pool/eviction/eviction-policy.js';
import { GdsfEviction } from '../../../src/core/pool/eviction/gdsf.js';
import { GreedyDualEviction } from '../../../src/core/pool/eviction/greedy-dual.js';
import { LruEviction } from '../../../src/core/pool/eviction/lru.js';
import { S3FifoEviction } from '../../../src/core/pool/eviction/s3-fifo.js';
import { SieveEviction } from '../../../src/core/pool/eviction/sieve.js';
import { TtlEviction } from '../../../src/core/pool/eviction/ttl.js';
import { EvictionWorld, history, standIn, type Witness } from '../support/eviction-world.js';
import { NaiveGdsf, NaiveGreedyDual, NaiveLru, NaiveS3Fifo, NaiveSieve, NaiveTtl } from './eviction-naive.js';

const MINUTE_US = 60_000_000;

describe('an independent implementation decides the same', () => {
  const pairs: [string, () => EvictionPolicy, () => Witness][] = [
    ['lru', () => new LruEviction(), () => new NaiveLru()],
    ['ttl', () => new TtlEviction(600_000), () => new NaiveTtl(10 * MINUTE_US)],
    ['greedy_dual', () => new GreedyDualEviction(), () => new NaiveGreedyDual()],
    ['gdsf', () => new GdsfEviction(), () => new NaiveGdsf()],
    ['sieve', () => new SieveEviction(), () => new NaiveSieve()],
    ['s3_fifo', () => new S3FifoEviction(), () => new NaiveS3Fifo()],
  ];
  it.each(pairs)('%s', (_name, create, createNaive) => {
    let decisions = 0;
    fc.assert(
      fc.property(history, (steps) => {
        const both = new Both(create(), createNaive());
        const world = new EvictionWorld(both, [
          standIn(0),
          standIn(1, { keepAliveMs: 90_000 }),
          standIn(2, { memoryMb: 512 }),
        ]);
        for (const step of steps) world.step(step);
        while (world.evict() !== null);
        decisions += both.decisions;
      }),
      { numRuns: 2000 },
    );
    // The histories reach what they are for.
    expect(decisions).toBeGreaterThan(2000);
  });
});

describe('greedy_dual with equal costs', () => {
  it('is lru', () => {
    fc.assert(
      fc.property(history, (steps) => {
        const world = new EvictionWorld(new Both(new GreedyDualEviction(), new NaiveLru()), [standIn(0), standIn(1)]);
        for (const step of steps) if (step.kind !== 'learn') world.step(step);
        while (world.evict() !== null);
      }),
      { numRuns: 500 },
    );
  });
});

/** A policy and a naive one, told and asked the same; they must give the same answers. */
class Both implements Witness {
  decisions = 0;
  readonly #policy: EvictionPolicy;
  readonly #naive: Witness;

  constructor(policy: EvictionPolicy, naive: Witness) {
    this.#policy = policy;
    this.#naive = naive;
  }

  idle: Witness['idle'] = (container) => {
    this.#policy.idle(container);
    this.#naive.idle(container);
  };

  leave: Witness['leave'] = (container, used, evicted) => {
    this.#policy.leave(container, used);
    this.#naive.leave(container, used, evicted);
  };

  victim: Witness['victim'] = () => this.#same(this.#policy.victim(), this.#naive.victim());

  expired: Witness['expired'] = (now) => {
    const next = this.#policy.nextExpiry();
    const naive = this.#naive.expired(now);
    if (naive !== null) expect(next).toBeLessThanOrEqual(now);
    return this.#same(this.#policy.expired(now), naive);
  };

  forget: NonNullable<Witness['forget']> = (fn) => {
    this.#policy.forget?.(fn);
    this.#naive.forget?.(fn);
  };

  #same<T extends { id: number } | null>(ours: T, naive: T): T {
    expect(ours?.id).toBe(naive?.id);
    if (ours !== null) this.decisions++;
    return ours;
  }
}
