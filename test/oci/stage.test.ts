import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeStages, Stage } from '../../src/backends/oci/stage.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** What happens to a piece of work, in turns of the loop. */
interface Piece {
  readonly takes: number;
  readonly fails: boolean;
  /** It is given up after so many turns, if it still waits then. */
  readonly patience: number | null;
}

const pieces = fc.array(
  fc.record({
    takes: fc.integer({ min: 0, max: 4 }),
    fails: fc.boolean(),
    patience: fc.option(fc.integer({ min: 0, max: 6 })),
  }),
  { maxLength: 40 },
);

describe('a stage', () => {
  it('never runs more than its limit, serves in order, and forgets nobody', async () => {
    await fc.assert(
      fc.asyncProperty(pieces, fc.integer({ min: 1, max: 6 }), async (given, limit) => {
        const stage = new Stage('create', limit);
        const begun: number[] = [];
        let running = 0;
        const work = async ({ takes, fails }: Piece, index: number): Promise<number> => {
          begun.push(index);
          expect(++running).toBeLessThanOrEqual(limit);
          for (let turns = 0; turns < takes; turns++) await turn();
          running--;
          if (fails) throw new Error('as asked');
          return index;
        };
        const ends = given.map(async (piece, index): Promise<string> => {
          const patience = new AbortController();
          const run = stage.run(() => work(piece, index), patience.signal);
          const ended = run.then(
            (value) => `value ${value}`,
            (error: Error) => (error === patience.signal.reason ? 'given up' : error.message),
          );
          for (let turns = 0; piece.patience !== null && turns < piece.patience; turns++) await turn();
          if (piece.patience !== null) patience.abort(new Error('too long'));
          return ended;
        });
        for (const [index, end] of (await Promise.all(ends)).entries()) {
          const { fails, patience } = given[index] as Piece;
          const worked = fails ? 'as asked' : `value ${index}`;
          expect(patience === null ? [worked] : [worked, 'given up']).toContain(end);
          // Whoever gave up was never called, whoever was called was not given up.
          expect(begun.includes(index)).toBe(end !== 'given up');
        }
        expect(begun).toEqual([...begun].sort((a, b) => a - b));
        expect(stage.counters()).toMatchObject({
          createLimit: limit,
          createRunning: 0,
          createWaiting: 0,
          createEnded: begun.length,
          createMost: Math.min(limit, stage.counters()['createMost'] as number),
        });
      }),
    );
  });

  it('lets in at once what comes first, and the next when one leaves, also by a failure', async () => {
    const stage = new Stage('start', 1);
    const order: string[] = [];
    let leave: (error: Error) => void = () => {};
    const first = stage.run(() => new Promise<void>((_resolve, reject) => (leave = reject)));
    const second = stage.run(async () => void order.push('second'));
    expect(stage.counters()).toMatchObject({ startRunning: 1, startWaiting: 1, startMost: 1 });
    leave(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    await second;
    expect(order).toEqual(['second']);
  });

  it('takes nobody who has given up before', async () => {
    const stage = new Stage('start', 1);
    const held = stage.run(turn);
    await expect(stage.run(turn, AbortSignal.abort(new Error('before')))).rejects.toThrow('before');
    await held;
    expect(stage.counters()).toMatchObject({ startRunning: 0, startEnded: 1 });
  });

  it('is one for each step, as configured', () => {
    const stages = makeStages({ snapshot: 1, network: 2, create: 3, start: 4, ready: 0 });
    expect(Object.values(stages).map((stage) => Object.values(stage.counters())[0])).toEqual([1, 2, 3, 4, 4]);
  });
});
