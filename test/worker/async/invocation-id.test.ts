import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvocationIds } from '../../../src/worker/async/invocation-id.js';

const VERSION_7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

describe('ids of asynchronous invocations', () => {
  it('are UUIDs in the order of their making, whatever the clock does', () => {
    // From long ago to the year 3000, also several in one millisecond, and set back.
    const clock = fc.array(fc.nat({ max: 32_503_680_000_000 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(clock, fc.integer({ min: 1, max: 5 }), (times, each) => {
        let now = 0;
        const ids = new InvocationIds(() => now);
        const made: string[] = [];
        for (now of times) for (let i = 0; i < each; i++) made.push(ids.next());
        for (const id of made) expect(id).toMatch(VERSION_7);
        expect([...new Set(made)].sort()).toEqual(made);
      }),
    );
  });

  it('stay in order when more are made in a millisecond than it has counts', () => {
    const ids = new InvocationIds(() => 1_800_000_000_000);
    const made = Array.from({ length: 10_000 }, () => ids.next());
    expect([...new Set(made)].sort()).toEqual(made);
    for (const id of [made[4095], made[4096], made[9999]]) expect(id).toMatch(VERSION_7);
  });

  it('have the time of their making in them, and are not those of another worker at the same time', () => {
    const now = (): number => 1_800_000_000_123;
    const [one, other] = [new InvocationIds(now).next(), new InvocationIds(now).next()];
    expect(Number.parseInt(one.replace('-', '').slice(0, 12), 16)).toBe(now());
    expect(one.slice(0, 18)).toBe(other.slice(0, 18));
    expect(one).not.toBe(other);
  });
});
