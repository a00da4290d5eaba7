import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Container } from '../../../src/core/pool/container.js';
import { HybridHistogramEviction } from '../../../src/core/pool/eviction/hybrid-histogram.js';
import { IdleHistogram } from '../../../src/core/pool/eviction/idle-histogram.js';
import { EvictionWorld, type StandInOptions, standIn } from '../support/eviction-world.js';

const MINUTE = 60_000_000;

/** One function on the policy as the paper sets it: 240 bins of a minute. */
class Rig {
  readonly policy: HybridHistogramEviction;
  readonly fn: FunctionRecord;
  readonly world: EvictionWorld;
  container: Container;

  constructor(options: StandInOptions = {}, bins = 240) {
    this.policy = new HybridHistogramEviction(60_000, bins, 14_400_000);
    this.fn = standIn(0, options);
    this.world = new EvictionWorld(this.policy, [this.fn]);
    this.container = this.world.coldStart(this.fn);
  }

  /** The run ends, it idles for so long, and the next begins; on a new container when the old one is gone. */
  idleFor(minutes: number): void {
    this.world.now += 1_000_000;
    this.world.end(this.container);
    this.world.now += minutes * MINUTE;
    this.world.tick();
    const [idle] = this.world.idle;
    if (idle === undefined) this.container = this.world.coldStart(this.fn);
    else this.world.use(idle);
    if (idle !== undefined) this.container = idle;
  }

  /** The run ends now. Minutes from then to each thing the policy does, until nothing more is due; what it names is made ready at once. */
  timeline(): [what: string, minutes: number][] {
    const { world, policy } = this;
    const end = world.now;
    const events: [string, number][] = [];
    world.end(this.container);
    while (policy.nextExpiry() < Number.POSITIVE_INFINITY) {
      world.now = policy.nextExpiry();
      const { expired, prewarmed } = world.tick();
      const minutes = (world.now - end) / MINUTE;
      for (const _ of expired) events.push(['unload', minutes]);
      for (const fn of prewarmed) {
        events.push(['load', minutes]);
        world.prewarm(fn);
      }
    }
    return events;
  }
}

describe('hybrid_histogram', () => {
  it('unloads at once, loads before the head and keeps to past the tail', () => {
    const rig = new Rig();
    rig.idleFor(30.5);
    for (let i = 0; i < 18; i++) rig.idleFor(32.5);
    rig.idleFor(35.2);
    // 20 idle times: the 5th percentile is the 1st, in the bin from 30 to 31; the 99th the 20th, in the bin from 35 to 36.
    // CV of the counts (1, 18, 1 and 237 × 0): √(240 × 326 / 400 - 1) = 13.9 ≥ 2.
    // Pre-warm 0.9 × 30 = 27; both windows end at 1.1 × 36 = 39.6.
    expect(rig.timeline()).toEqual([
      ['unload', 0],
      ['load', 27],
      ['unload', 39.6],
    ]);
  });

  it('keeps the container when the head is in the first bin', () => {
    const rig = new Rig();
    for (const minutes of [0.5, 0.5, 7.5]) rig.idleFor(minutes);
    expect(rig.timeline()).toEqual([['unload', expect.closeTo(1.1 * 8, 6)]]);
  });

  it('falls back to the fixed keep-alive while it knows nothing, and when idle times are spread evenly', () => {
    expect(new Rig().timeline()).toEqual([['unload', 240]]);
    expect(new Rig({ keepAliveMs: 90_000 }).timeline()).toEqual([['unload', 1.5]]);
    const rig = new Rig({}, 10);
    // Two of ten bins: CV = √(10 × 2 / 4 - 1) = 2, representative. Three: √(10 × 3 / 9 - 1) = 1.5, not.
    rig.idleFor(3.5);
    rig.idleFor(5.5);
    expect(rig.timeline().map(([what]) => what)).toEqual(['unload', 'load', 'unload']);
    const spread = new Rig({}, 10);
    for (const minutes of [3.5, 5.5, 7.5]) spread.idleFor(minutes);
    expect(spread.timeline()).toEqual([['unload', 240]]);
  });

  it('goes by the mean, give or take 15 %, when most idle times are out of bounds', () => {
    const rig = new Rig();
    rig.idleFor(300);
    // Pre-warm 0.85 × 300 = 255, keep-alive 0.3 × 300 = 90.
    expect(rig.timeline()).toEqual([
      ['unload', 0],
      ['load', 255],
      ['unload', 345],
    ]);
    const half = new Rig();
    half.idleFor(300);
    half.idleFor(30.5);
    // One of two is not most: the histogram decides.
    expect(half.timeline().map(([, minutes]) => minutes)).toEqual([0, 27, expect.closeTo(34.1, 6)]);
  });

  it('makes nothing ready for a function that was called before its time', () => {
    const rig = new Rig();
    rig.idleFor(30.5);
    rig.world.end(rig.container);
    rig.world.tick();
    rig.world.now += 5 * MINUTE;
    rig.container = rig.world.coldStart(rig.fn);
    expect(rig.policy.prewarmDue(Number.MAX_SAFE_INTEGER)).toBeNull();
    // 5 min count as an idle time too: the head is lower now.
    expect(rig.timeline().find(([what]) => what === 'load')).toEqual(['load', 0.9 * 5]);
  });

  it('does not call a function idle that still runs elsewhere', () => {
    const rig = new Rig();
    rig.idleFor(30.5);
    const other = rig.world.coldStart(rig.fn);
    rig.world.end(rig.container);
    expect(rig.world.tick().expired).toEqual([]);
    expect(rig.policy.prewarmDue(Number.MAX_SAFE_INTEGER)).toBeNull();
    rig.world.end(other);
    expect(rig.world.tick().expired).toEqual([other]);
    rig.world.now += 27 * MINUTE;
    expect(rig.policy.prewarmDue(rig.world.now)).toBe(rig.fn);
    // The first was kept to the end of both windows: 34.1 min.
    rig.world.now += 7.1 * MINUTE - 1;
    expect(rig.world.tick().expired).toEqual([]);
    rig.world.now += 2;
    expect(rig.world.tick().expired).toEqual([rig.container]);
  });

  it('does not call a function idle whose queued call takes the container at once', () => {
    const rig = new Rig();
    rig.idleFor(30.5);
    rig.policy.arrived(rig.fn, rig.world.now);
    rig.world.end(rig.container);
    rig.policy.leave(rig.container, true);
    expect(rig.policy.prewarmDue(Number.MAX_SAFE_INTEGER)).toBeNull();
    // The third call comes while the second runs: no idle time, and what is known stays as it was.
    rig.world.now += 100 * MINUTE;
    rig.policy.arrived(rig.fn, rig.world.now);
    rig.container.idleSince = rig.world.now;
    rig.policy.idle(rig.container);
    expect(rig.policy.nextExpiry()).toBeLessThanOrEqual(rig.world.now);
    rig.policy.leave(rig.container, false);
    expect(rig.policy.nextExpiry()).toBe(rig.world.now + 27 * MINUTE);
  });

  it('calls a function idle again after one of its containers has died in a run', () => {
    const rig = new Rig();
    rig.idleFor(30.5);
    rig.world.destroy(rig.container);
    rig.container = rig.world.coldStart(rig.fn);
    expect(rig.timeline().map(([, minutes]) => minutes)).toEqual([0, 27, expect.closeTo(34.1, 6)]);
  });

  it('makes nothing ready for a function that is gone, and knows nothing of it any more', () => {
    const rig = new Rig();
    rig.idleFor(30.5);
    rig.policy.forget(rig.fn);
    rig.world.end(rig.container);
    expect(rig.policy.prewarmDue(Number.MAX_SAFE_INTEGER)).toBeNull();
    rig.world.destroy(rig.container);
    rig.container = rig.world.coldStart(rig.fn);
    expect(rig.timeline()).toEqual([['unload', 240]]);
  });

  it('measures from the last end to the next arrival, not to the start of a container', () => {
    const rig = new Rig();
    rig.world.end(rig.container);
    rig.world.now += 30.5 * MINUTE;
    // Made ahead by somebody else, in between: that ends no idleness and begins none.
    rig.world.prewarm(rig.fn);
    rig.world.now += 2 * MINUTE;
    rig.world.use(rig.container);
    expect(rig.timeline().find(([what]) => what === 'load')).toEqual(['load', 0.9 * 32]);
  });
});

describe('the histogram of idle times', () => {
  it('finds percentiles and variation as counting does', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 70 }).chain((bins) =>
          fc.record({
            bins: fc.constant(bins),
            added: fc.array(fc.nat(bins - 1), { minLength: 1, maxLength: 150, size: 'max' }),
            percent: fc.integer({ min: 0, max: 100 }),
          }),
        ),
        ({ bins, added, percent }) => {
          const histogram = new IdleHistogram(bins);
          for (const bin of added) histogram.add(bin);
          const sorted = [...added].sort((a, b) => a - b);
          // Nearest rank.
          const rank = Math.max(1, Math.ceil((percent * sorted.length) / 100));
          expect(histogram.percentile(percent)).toBe(sorted[rank - 1]);
          const counts = Array.from({ length: bins }, (_, bin) => added.filter((one) => one === bin).length);
          const mean = added.length / bins;
          const variance = counts.reduce((sum, count) => sum + (count - mean) ** 2, 0) / bins;
          expect(histogram.variation()).toBeCloseTo(Math.sqrt(variance) / mean, 9);
        },
      ),
      { numRuns: 1000 },
    );
  });
});
