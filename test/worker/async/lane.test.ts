import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lane } from '../../../src/worker/async/lane.js';

interface Item {
  readonly n: number;
}

type Move = 'add' | 'take' | 'end' | 'pause' | 'resume' | 'remove';
const moves = fc.array(
  fc.tuple(fc.constantFrom<Move>('add', 'take', 'take', 'end', 'pause', 'resume', 'remove'), fc.nat()),
  {
    maxLength: 200,
  },
);

describe('a lane', () => {
  it('never runs more at once than allowed, nothing twice, and keeps the order where it must', () => {
    fc.assert(
      fc.property(moves, fc.integer({ min: 1, max: 5 }), fc.boolean(), (story, limit, ordered) => {
        const settings = { concurrency: ordered ? 1 : limit, ordered };
        const lane = new Lane<Item>();
        const waiting: Item[] = [];
        const running: Item[] = [];
        const paused: Item[] = [];
        const begun: number[] = [];
        const pick = (from: Item[], at: number): Item | undefined => from.splice(at % (from.length || 1), 1)[0];
        let next = 0;
        for (const [move, at] of story) {
          if (move === 'add') {
            const item = { n: next++ };
            lane.add(item);
            waiting.push(item);
          } else if (move === 'take') {
            const item = lane.take(settings);
            if (item === null) continue;
            const again = paused.indexOf(item);
            if (again >= 0) paused.splice(again, 1);
            else {
              // The first of those that have not begun, and in an ordered lane only when nothing is open.
              expect(item).toBe(waiting.shift());
              if (ordered) expect([...running, ...paused]).toEqual([]);
              begun.push(item.n);
            }
            running.push(item);
            expect(running.length).toBeLessThanOrEqual(settings.concurrency);
          } else if (move === 'end') {
            const item = pick(running, at);
            if (item !== undefined) lane.end(item);
          } else if (move === 'pause') {
            const item = pick(running, at);
            if (item === undefined) continue;
            lane.pause(item);
            paused.push(item);
          } else if (move === 'resume') {
            const item = paused[at % (paused.length || 1)];
            if (item !== undefined) lane.resume(item);
          } else {
            const item = pick(waiting, at);
            if (item !== undefined) lane.remove(item);
          }
          expect(lane.empty).toBe(waiting.length + running.length + paused.length === 0);
        }
        expect(begun).toEqual([...begun].sort((a, b) => a - b));
      }),
    );
  });
});
