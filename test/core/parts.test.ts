import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineWheel } from '../../src/core/engine/deadline-wheel.js';
import type { FunctionEntry } from '../../src/core/engine/function-entry.js';
import type { InvocationEntry } from '../../src/core/engine/invocation-entry.js';
import { InvocationList } from '../../src/core/engine/invocation-entry.js';
import { Throughput } from '../../src/core/engine/throughput.js';
import { ContainerPool } from '../../src/core/pool/container-pool.js';
import { LruEviction } from '../../src/core/pool/eviction/lru.js';
import { seededRandom } from '../../src/core/random.js';
import { Addresses } from '../../src/core/resources/addresses.js';
import { CpuSlots, toMilliSlots } from '../../src/core/resources/cpu-slots.js';
import { GpuDevices } from '../../src/core/resources/gpu-devices.js';
import { noGpus } from '../../src/core/resources/gpu-options.js';
import { MemoryBudget } from '../../src/core/resources/memory-budget.js';
import { Characteristic, FunctionStats } from '../../src/core/stats.js';
import { invocations } from './conformance/queue-policy.js';
import { Harness } from './support/harness.js';

describe('CpuSlots', () => {
  it('gives what there is and not a thousandth more', () => {
    const slots = new CpuSlots(1.5);
    expect(slots.tryTake(toMilliSlots(1))).toBe(true);
    expect(slots.tryTake(toMilliSlots(0.6))).toBe(false);
    expect(slots.tryTake(toMilliSlots(0.5))).toBe(true);
    expect([slots.used, slots.free, slots.canEverHold(1501)]).toEqual([1.5, 0, false]);
    slots.release(500);
    expect(slots.free).toBe(0.5);
  });

  it('can be without limit', () => {
    const slots = new CpuSlots(Number.POSITIVE_INFINITY);
    for (let i = 0; i < 1000; i++) expect(slots.tryTake(1_000_000)).toBe(true);
    expect(slots.used).toBe(1_000_000);
  });
});

describe('MemoryBudget', () => {
  it('reserves up to its total', () => {
    const budget = new MemoryBudget(100);
    expect([budget.tryReserve(60), budget.tryReserve(41), budget.tryReserve(40)]).toEqual([true, false, true]);
    budget.release(60);
    expect([budget.freeMb, budget.reservedMb]).toEqual([60, 40]);
  });
});

describe('characteristics', () => {
  it('keep least, greatest, latest and the moving average', () => {
    const seen = new Characteristic();
    expect(seen.average).toBe(0);
    for (const value of [10, 20, 5]) seen.add(value);
    expect([seen.count, seen.min, seen.max, seen.latest]).toEqual([3, 5, 20, 5]);
    expect(seen.average).toBeCloseTo(0.9 * (0.9 * 10 + 0.1 * 20) + 0.1 * 5);
  });

  it('count an invocation once, under the state it found and its device', () => {
    const stats = new FunctionStats();
    stats.ended('gpu', 'cold', 10, 500, 900);
    stats.ended('gpu', 'warm', 20, 21, 30);
    expect([stats.gpu.cold.latest, stats.gpu.warm.latest, stats.gpu.exec.count, stats.gpu.e2e.max]).toEqual([
      500, 20, 2, 900,
    ]);
    expect([stats.cpu.exec.count, stats.gpu.prewarm.count]).toEqual([0, 0]);
    expect(stats.gpu.expectedUs('prewarm')).toBeCloseTo(11);
    expect(stats.cpu.expectedUs('warm')).toBe(0);
  });

  it('see the time between arrivals', () => {
    const h = new Harness();
    const fn = h.register();
    h.invoke(fn);
    expect(fn.stats.interArrival.count).toBe(0);
    h.clock.time += 700;
    h.invoke(fn);
    expect(fn.stats.interArrival.latest).toBe(700);
  });
});

describe('Throughput', () => {
  it('is the pace of the latest completions', () => {
    const pace = new Throughput();
    expect(pace.intervalUs(5)).toBe(0);
    for (let i = 0; i < 100; i++) pace.mark(i * 10, 5);
    expect(pace.intervalUs(1000)).toBe(10);
  });

  it('is also seconds of execution a second, over the latest twenty', () => {
    const pace = new Throughput();
    pace.mark(0, 7);
    expect(pace.executionRate).toBe(0);
    for (let i = 1; i <= 100; i++) pace.mark(i * 10, 5);
    // 20 runs of 5 µs between the oldest and the newest of them, 190 µs apart.
    expect(pace.executionRate).toBeCloseTo((20 * 5) / 190);
  });
});

describe('InvocationList', () => {
  it('keeps order by age under any insertion and removal', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]), fc.array(fc.nat(9)), (insert, remove) => {
        const all = invocations(10) as InvocationEntry[];
        const list = new InvocationList();
        const held = new Set<InvocationEntry>();
        // Those of the engine they came from are on its own lists.
        for (const one of all) one.list?.remove(one);
        for (const index of insert) {
          list.insertInOrder(all[index] as InvocationEntry);
          held.add(all[index] as InvocationEntry);
        }
        for (const index of remove) {
          const one = all[index] as InvocationEntry;
          if (held.delete(one)) list.remove(one);
        }
        const found: number[] = [];
        for (let one = list.head; one !== null; one = one.next) found.push(one.id);
        expect(found).toEqual([...held].map(({ id }) => id).sort((a, b) => a - b));
        expect(list.length).toBe(held.size);
        expect(list.tail?.id ?? null).toBe(found.at(-1) ?? null);
      }),
      { numRuns: 200 },
    );
  });
});

describe('DeadlineWheel', () => {
  it('hands out each deadline when it has passed, not before, in order, and never announces it too late', () => {
    const step = fc.record({
      kind: fc.constantFrom('add', 'add', 'remove', 'advance'),
      by: fc.nat(1_000),
      scale: fc.constantFrom(1, 20_000, 1e6),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.nat(1e9), (steps, start) => {
        const wheel = new DeadlineWheel();
        const spare = invocations(steps.length + 1) as InvocationEntry[];
        for (const one of spare) one.wheelSlot = -1;
        const open = new Map<InvocationEntry, number>();
        let now = start;
        for (const { kind, by, scale } of steps) {
          if (kind === 'add') {
            const one = spare.pop() as InvocationEntry;
            open.set(one, now + by * scale);
            wheel.add(one, now + by * scale);
          } else if (kind === 'remove' && open.size > 0) {
            const one = [...open.keys()][by % open.size] as InvocationEntry;
            open.delete(one);
            wheel.remove(one);
          } else {
            now += by * scale;
            const due = wheel.takeDue(now);
            const expected = [...open].filter(([, at]) => at <= now).sort(([a, x], [b, y]) => x - y || a.id - b.id);
            expect(due).toEqual(expected.map(([one]) => one));
            for (const one of due) open.delete(one);
          }
          expect(wheel.size).toBe(open.size);
          expect(wheel.next).toBeLessThanOrEqual(Math.min(...open.values(), Number.POSITIVE_INFINITY));
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('seededRandom', () => {
  it('gives the same numbers for the same seed and stream, and others for others', () => {
    const draw = (seed: number, stream = 0): number[] => {
      const random = seededRandom(seed, stream);
      return Array.from({ length: 1000 }, random);
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw(7)).not.toEqual(draw(7, 1));
    const numbers = draw(2 ** 40 + 3);
    expect(Math.min(...numbers)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...numbers)).toBeLessThan(1);
    expect(numbers.reduce((sum, x) => sum + x, 0) / numbers.length).toBeCloseTo(0.5, 1);
  });
});

describe('ContainerPool', () => {
  it('counts running and cached memory apart, from the reservation until it is gone', () => {
    const fn = new Harness().register() as FunctionEntry;
    const lane = fn.laneOf('cpu');
    const pool = new ContainerPool(
      new MemoryBudget(250),
      new GpuDevices(noGpus),
      new Addresses(9),
      () => new LruEviction(),
    );
    const seen = (): number[] => [pool.runningMb, pool.cachedMb, pool.leavingMb, pool.budget.reservedMb];
    const a = pool.reserve(lane, -1, 'model', 1);
    const b = pool.reserve(lane, -1, 'model', 2);
    if (a === null || b === null) throw new Error('both fit');
    expect(pool.reserve(lane, -1, 'model', 3)).toBeNull();
    expect(seen()).toEqual([200, 0, 0, 200]);
    pool.ready(a, 4);
    pool.ready(b, 5);
    expect(seen()).toEqual([0, 200, 0, 200]);
    expect(lane.available.head).toBe(b);
    pool.take(b);
    expect(lane.available.head).toBe(a);
    expect(seen()).toEqual([100, 100, 0, 200]);
    pool.giveBack(b, 9);
    expect([b.idleSince, lane.available.head]).toEqual([9, b]);
    pool.leaving(a);
    expect(seen()).toEqual([100, 100, 100, 200]);
    pool.gone(a);
    pool.gone(a);
    expect(seen()).toEqual([0, 100, 0, 100]);
    expect([fn.containers, pool.all.size]).toEqual([1, 1]);
  });
});
