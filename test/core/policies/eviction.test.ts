import { describe, expect, it } from 'vitest';
import type { Container } from '../../../src/core/pool/container.js';
import { GdsfEviction } from '../../../src/core/pool/eviction/gdsf.js';
import { coldStartPenaltyUs, GreedyDualEviction } from '../../../src/core/pool/eviction/greedy-dual.js';
import { LruEviction } from '../../../src/core/pool/eviction/lru.js';
import { evictionPolicies } from '../../../src/core/pool/eviction/policies.js';
import { S3FifoEviction } from '../../../src/core/pool/eviction/s3-fifo.js';
import { SieveEviction } from '../../../src/core/pool/eviction/sieve.js';
import { TtlEviction } from '../../../src/core/pool/eviction/ttl.js';
import { evictionPolicyConformance } from '../conformance/eviction-policy.js';
import { containerOf, EvictionWorld, type StandInOptions, standIn } from '../support/eviction-world.js';

for (const entry of Object.values(evictionPolicies)) evictionPolicyConformance(entry);

describe('lru', () => {
  it('evicts the longest idle first and never by time', () => {
    const policy = new LruEviction();
    const [a, b, c] = containers(3) as [Container, Container, Container];
    for (const one of [a, b, c]) policy.idle(one);
    policy.leave(a);
    policy.idle(a);
    expect(policy.victim()).toBe(b);
    expect(policy.expired()).toBeNull();
  });
});

describe('ttl', () => {
  it('expires a container at its keep-alive and not a microsecond before', () => {
    const policy = new TtlEviction(10);
    const [a] = containers(1) as [Container];
    a.idleSince = 5000;
    policy.idle(a);
    expect(policy.nextExpiry()).toBe(15_000);
    expect(policy.expired(14_999)).toBeNull();
    expect(policy.expired(15_000)).toBe(a);
  });

  it('prefers the function’s own keep-alive', () => {
    const policy = new TtlEviction(10);
    const [a] = containers(1, { keepAliveMs: 2 }) as [Container];
    policy.idle(a);
    expect(policy.nextExpiry()).toBe(2000);
  });

  it('counts from the end of the last run, however long that was', () => {
    const policy = new TtlEviction(10);
    const [a] = containers(1) as [Container];
    policy.idle(a);
    policy.leave(a, true);
    a.idleSince = 8000;
    policy.idle(a);
    expect(policy.expired(10_000)).toBeNull();
    expect(policy.nextExpiry()).toBe(18_000);
    expect(policy.expired(18_000)).toBe(a);
    policy.leave(a, true);
    expect(policy.expired(1_000_000)).toBeNull();
    expect(policy.nextExpiry()).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('greedy_dual', () => {
  it('keeps what is dear to make until the clock has caught up with it', () => {
    const policy = new GreedyDualEviction();
    const dear = costing(standIn(0), 25);
    const cheap = costing(standIn(1), 10);
    const world = new EvictionWorld(policy, []);
    const first = world.prewarm(dear); // priority 0 + 25
    const others = [1, 2].map(() => world.prewarm(cheap)); // 0 + 10 each
    expect(world.evict()).toBe(others[0]); // clock 10
    const third = world.prewarm(cheap); // 10 + 10 = 20
    expect(world.evict()).toBe(others[1]); // 10: the older of them; clock 10
    expect(world.evict()).toBe(third); // clock 20
    world.prewarm(cheap); // 20 + 10 = 30
    expect(world.evict()).toBe(first); // 25
  });

  it('does not take a death for an eviction', () => {
    const policy = new GreedyDualEviction();
    const world = new EvictionWorld(policy, []);
    const dear = costing(standIn(0), 100);
    const cheap = costing(standIn(1), 10);
    world.destroy(world.prewarm(dear)); // the clock stays 0
    const older = world.prewarm(dear); // 100
    world.prewarm(cheap); // 10
    expect(world.evict()?.fn).toBe(cheap); // clock 10
    const newer = world.prewarm(dear); // 110
    expect([world.evict(), world.evict()]).toEqual([older, newer]);
  });

  it('does not take the death of one that was named a while ago for an eviction', () => {
    const world = new EvictionWorld(new GreedyDualEviction(), []);
    const named = world.prewarm(costing(standIn(0), 50)); // 50
    expect(world.look()).toBe(named);
    const cheap = world.prewarm(costing(standIn(1), 10)); // 10: now this one would be the victim
    world.destroy(named); // the clock stays 0, or what comes next would start above what is there
    const next = world.prewarm(costing(standIn(2), 5)); // 5
    expect([world.evict(), world.evict()]).toEqual([next, cheap]);
  });

  it('takes the moving averages’ difference for the cost, and at least 1 µs', () => {
    const fn = standIn(0);
    const container = containerOf(fn);
    expect(coldStartPenaltyUs(container)).toBe(1);
    fn.stats.ended('cpu', 'cold', 300, 5300, 6000);
    expect(coldStartPenaltyUs(container)).toBe(5000); // no warm run yet: 5300 - 300 inside the function
    fn.stats.ended('cpu', 'warm', 100, 120, 200);
    expect(coldStartPenaltyUs(container)).toBe(5200);
    for (let i = 0; i < 50; i++) fn.stats.ended('cpu', 'warm', 10_000, 10_000, 10_000);
    expect(coldStartPenaltyUs(container)).toBe(1);
    expect(coldStartPenaltyUs({ ...container, device: 'gpu' })).toBe(1);
  });
});

describe('gdsf', () => {
  it('weighs uses and cost against memory', () => {
    const world = new EvictionWorld(new GdsfEviction(), []);
    const large = world.coldStart(costing(standIn(0, { memoryMb: 400 }), 8000));
    const small = world.coldStart(costing(standIn(1, { memoryMb: 100 }), 1000));
    const busy = world.coldStart(costing(standIn(2, { memoryMb: 200 }), 1000));
    world.end(large); // 0 + 1 × 8000 / 400 = 20
    world.end(small); // 0 + 1 × 1000 / 100 = 10
    world.end(busy); // 0 + 1 × 1000 / 200 = 5
    for (let i = 0; i < 2; i++) {
      world.use(busy);
      world.end(busy);
    } // 3 uses: 0 + 3 × 1000 / 200 = 15
    expect(world.evict()).toBe(small); // clock 10
    const again = world.coldStart(small.fn);
    world.end(again); // its uses were forgotten with its last container: 10 + 1 × 10 = 20, younger than `large`
    expect(world.evict()).toBe(busy); // clock 15
    expect(world.evict()).toBe(large); // clock 20
    expect(world.evict()).toBe(again);
  });

  it('shares the uses among the containers of a function, and keeps them while there is one', () => {
    const world = new EvictionWorld(new GdsfEviction(), []);
    const fn = costing(standIn(0), 1000);
    const [a, b] = [world.coldStart(fn), world.coldStart(fn)];
    world.end(a); // 1 × 1000 / 100 = 10
    world.end(b); // 2 × 10 = 20
    const rival = world.prewarm(costing(standIn(1), 2500)); // 25
    expect(world.evict()).toBe(a); // clock 10
    world.use(b);
    world.end(b); // third use: 10 + 30 = 40
    expect(world.evict()).toBe(rival);
  });

  it('counts everything that a container ran between two times of idleness', () => {
    const world = new EvictionWorld(new GdsfEviction(), []);
    const parallel = world.coldStart(costing(standIn(0), 1000));
    parallel.invocations += 3; // and one more that ends: 4 × 1000 / 100 = 40
    world.end(parallel);
    const rival = world.prewarm(costing(standIn(1), 3900)); // 39
    expect(world.evict()).toBe(rival);
  });
});

describe('sieve', () => {
  it('clears the bits on the hand’s way and takes the first that was not used, from where it stopped', () => {
    // As the illustration of §3: seven objects, oldest first, of which A, B and G were visited; then the requests H A D I B J.
    const world = new EvictionWorld(new SieveEviction(), []);
    const [a, b, c, d, e, f, g] = Array.from({ length: 7 }, () => world.prewarm(standIn(0))) as Container[];
    const hit = (container: Container | undefined): void => {
      world.use(container as Container);
      world.end(container as Container);
    };
    for (const visited of [a, b, g]) hit(visited);
    expect(world.evict()).toBe(c); // the hand clears A and B, takes C, stands at D
    const h = world.prewarm(standIn(0));
    hit(a);
    hit(d);
    expect(world.evict()).toBe(e); // clears D, takes E, stands at F
    const i = world.prewarm(standIn(0));
    hit(b);
    expect(world.evict()).toBe(f); // stands at G
    const j = world.prewarm(standIn(0));
    // Left, oldest first: A* B* D G* H I J. The hand clears G, takes H, I, J, is past the newest; clears A and B, takes D; then G, and A and B last.
    expect(Array.from({ length: 7 }, () => world.evict())).toEqual([h, i, j, d, g, a, b]);
  });

  it('starts again at the oldest when it had gone past the newest, whatever was added since', () => {
    const world = new EvictionWorld(new SieveEviction(), []);
    const [a, b] = [world.prewarm(standIn(0)), world.prewarm(standIn(0))];
    world.use(a);
    world.end(a);
    expect(world.evict()).toBe(b);
    const c = world.prewarm(standIn(0));
    expect(world.evict()).toBe(a);
    expect(world.evict()).toBe(c);
  });

  it('does not take the use for which a container was made for a visit', () => {
    const world = new EvictionWorld(new SieveEviction(), []);
    const once = world.coldStart(standIn(0));
    const ahead = world.prewarm(standIn(1));
    world.end(once);
    world.use(ahead);
    world.end(ahead);
    world.prewarm(standIn(2));
    expect(world.evict()).toBe(once);
    expect(world.evict()).not.toBe(ahead);
  });

  it('passes what runs, which keeps its place', () => {
    const world = new EvictionWorld(new SieveEviction(), []);
    const [a, b, c, d] = Array.from({ length: 4 }, () => world.coldStart(standIn(0))) as Container[];
    for (const one of [a, c, d]) world.end(one as Container);
    expect(world.evict()).toBe(a);
    expect(world.evict()).toBe(c); // b runs: the hand goes past it
    world.end(b as Container);
    expect(world.evict()).toBe(d); // b stands behind the hand, where it stood
    expect(world.evict()).toBe(b);
  });
});

describe('s3_fifo', () => {
  it('lets what was used once go from the small queue, and what was used more move to the main one', () => {
    const world = new EvictionWorld(new S3FifoEviction(), []);
    const [a, b, c] = [0, 1, 2].map((index) => world.prewarm(standIn(index))) as [Container, Container, Container];
    const hit = (container: Container): void => {
      world.use(container);
      world.end(container);
    };
    hit(a);
    hit(a); // frequency 2: more than once
    hit(b); // frequency 1: that is not enough
    // Small A B C, main empty. A moves to main with frequency 0; B goes, its function becomes a ghost.
    expect(world.evict()).toBe(b);
    // Small C. B's function comes back: to main, and is no ghost any more.
    const back = world.prewarm(b.fn);
    hit(a); // main A(1) B(0)
    // Small holds 100 of 300 MiB: C goes from it, though it is younger than A.
    expect(world.evict()).toBe(c);
    // Small is empty: main's turn. A pays its use and enters again behind B, which goes.
    expect(world.evict()).toBe(back);
    expect(world.evict()).toBe(a);
  });

  it('spares the small queue while it holds less than a tenth of the memory', () => {
    const world = new EvictionWorld(new S3FifoEviction(), []);
    const main = world.prewarm(standIn(0, { memoryMb: 901 }));
    for (let i = 0; i < 2; i++) {
      world.use(main);
      world.end(main);
    }
    const doomed = world.prewarm(standIn(1, { memoryMb: 1000 }));
    expect(world.evict()).toBe(doomed); // `main` moves to the main queue on the way
    const small = world.prewarm(standIn(2, { memoryMb: 100 })); // 100 of 1001
    expect(world.evict()).toBe(main);
    expect(world.evict()).toBe(small);
  });

  it('remembers only so many ghosts', () => {
    const world = new EvictionWorld(new S3FifoEviction(), []);
    const fns = [0, 1, 2].map((index) => standIn(index));
    for (const fn of fns) world.prewarm(fn);
    // As each goes 2, 1 and 0 are left: one ghost at a time, the last one.
    for (const _ of fns) world.evict();
    const [forgotten, remembered] = [world.prewarm(fns[0] as never), world.prewarm(fns[2] as never)];
    const fresh = world.prewarm(standIn(3));
    expect([world.evict(), world.evict(), world.evict()]).toEqual([forgotten, fresh, remembered]);
  });

  it('makes no ghost of one that was named a while ago and died', () => {
    const world = new EvictionWorld(new S3FifoEviction(), []);
    const died = world.prewarm(standIn(0));
    expect(world.look()).toBe(died);
    const other = world.prewarm(standIn(1));
    world.destroy(died);
    const again = world.prewarm(died.fn);
    const last = world.prewarm(standIn(2));
    // All in the small queue: had it been a ghost, `again` would be in the main one and go last.
    expect([world.evict(), world.evict(), world.evict()]).toEqual([other, again, last]);
  });

  it('lets one that ran when its turn came queue anew', () => {
    const world = new EvictionWorld(new S3FifoEviction(), []);
    const [a, b, c] = [0, 1, 2].map((index) => world.prewarm(standIn(index))) as [Container, Container, Container];
    world.use(a);
    expect(world.evict()).toBe(b);
    world.end(a);
    expect(world.evict()).toBe(c);
    expect(world.evict()).toBe(a);
  });
});

/** Containers of one function; no policy has been told of them. */
function containers(count: number, options: StandInOptions = {}): Container[] {
  const fn = standIn(0, options);
  return Array.from({ length: count }, () => containerOf(fn));
}

/** A cold start of it costs so many µs more than a warm one. */
function costing<T extends ReturnType<typeof standIn>>(fn: T, us: number): T {
  fn.stats.cpu.cold.add(us + 500);
  fn.stats.cpu.warm.add(500);
  return fn;
}
