import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdlePower } from '../../../src/telemetry/energy/idle-power.js';

/** The power of a machine at rest, from intervals in which it may not have been. */
describe('the learned idle power', () => {
  it('is not known before anything was seen, nor from intervals that are all alike', () => {
    const idle = new IdlePower();
    expect(idle.watts).toBe(0);
    for (let i = 0; i < 100; i++) idle.seen(40 + (i % 2), 2);
    expect(idle.watts).toBe(0);
  });

  it('is low among the intervals in which next to nothing ran', () => {
    const idle = new IdlePower();
    for (let i = 0; i < 20; i++) idle.seen(20 + (i === 7 ? -3 : i / 10), 0.01);
    for (let i = 0; i < 20; i++) idle.seen(90, 4);
    expect(idle.watts).toBeGreaterThanOrEqual(20);
    expect(idle.watts).toBeLessThan(20.5);
  });

  it('is found below what others keep busy', () => {
    fc.assert(
      fc.property(
        fc.double({ min: 1, max: 200, noNaN: true }),
        fc.double({ min: 0.5, max: 30, noNaN: true }),
        fc.array(fc.double({ min: 0.1, max: 8, noNaN: true }), { minLength: 2, maxLength: 80 }),
        (watts, perCore, busy) => {
          const idle = new IdlePower();
          for (const cores of [0.5, ...busy, 7]) idle.seen(watts + perCore * cores, cores);
          expect(idle.watts).toBeCloseTo(watts, 6);
        },
      ),
    );
  });

  it('is never above what was seen, nor below nothing', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.double({ min: 0, max: 500, noNaN: true }), fc.double({ min: 0, max: 16, noNaN: true })), {
          minLength: 1,
          maxLength: 60,
        }),
        (intervals) => {
          const idle = new IdlePower();
          for (const [watts, busy] of intervals) idle.seen(watts, busy);
          expect(idle.watts).toBeGreaterThanOrEqual(0);
          expect(idle.watts).toBeLessThanOrEqual(Math.max(...intervals.map(([watts]) => watts)));
        },
      ),
    );
  });
});
