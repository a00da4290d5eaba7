import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Cell } from '../../src/backends/process/cell.js';
import type { CellWaiter } from '../../src/backends/process/cell-pool.js';
import type { CellSource } from '../../src/backends/process/spawner-slot.js';
import { SpreadSource } from '../../src/backends/process/spread-source.js';

/** Notes who waits for it and answers when the test says so. */
class FakeSource implements CellSource {
  up = true;
  ready = 0;
  readonly waiters: CellWaiter[] = [];

  take(waiter: CellWaiter): void {
    if (this.ready > 0) {
      this.ready--;
      waiter.granted({} as Cell);
    } else this.waiters.push(waiter);
  }

  leave(waiter: CellWaiter): void {
    const index = this.waiters.indexOf(waiter);
    if (index >= 0) this.waiters.splice(index, 1);
  }
}

class FakeWaiter implements CellWaiter {
  answers = 0;

  granted(): void {
    this.answers++;
  }

  refused(): void {
    this.answers++;
  }
}

describe('SpreadSource', () => {
  it('takes what is ready first, wherever it is', () => {
    const sources = [new FakeSource(), new FakeSource()] as const;
    const spread = new SpreadSource(sources);
    sources[1].ready = 1;
    const waiter = new FakeWaiter();
    expect(spread.ready).toBe(1);
    spread.take(waiter);
    expect([waiter.answers, spread.ready, sources[0].waiters.length]).toEqual([1, 0, 0]);
  });

  it('sends nobody to a source that is not up, unless it is the first', () => {
    const sources = [new FakeSource(), new FakeSource()] as const;
    const spread = new SpreadSource(sources);
    sources[1].up = false;
    for (let i = 0; i < 4; i++) spread.take(new FakeWaiter());
    expect(sources.map(({ waiters }) => waiters.length)).toEqual([4, 0]);
    sources[1].up = true;
    for (let i = 0; i < 4; i++) spread.take(new FakeWaiter());
    expect(sources.map(({ waiters }) => waiters.length)).toEqual([4, 4]);
    sources[0].up = false;
    sources[1].up = false;
    expect(spread.up).toBe(false);
    spread.take(new FakeWaiter());
    expect(sources.map(({ waiters }) => waiters.length)).toEqual([5, 4]);
  });

  it('keeps as many waiting at each, whoever is answered or leaves, and answers everybody once', () => {
    const steps = fc.array(
      fc.record({ kind: fc.constantFrom('take', 'take', 'grant', 'refuse', 'leave'), pick: fc.nat(99) }),
    );
    fc.assert(
      fc.property(steps, (history) => {
        const sources = [new FakeSource(), new FakeSource(), new FakeSource()];
        const spread = new SpreadSource(sources);
        const waiting = new Set<FakeWaiter>();
        const all: FakeWaiter[] = [];
        for (const { kind, pick } of history) {
          const source = sources[pick % 3] as FakeSource;
          if (kind === 'take') {
            const before = sources.map(({ waiters }) => waiters.length);
            const waiter = new FakeWaiter();
            all.push(waiter);
            waiting.add(waiter);
            spread.take(waiter);
            const chosen = sources.findIndex(({ waiters }, index) => waiters.length > (before[index] as number));
            expect(before[chosen]).toBe(Math.min(...before));
          } else if (kind === 'leave' && waiting.size > 0) {
            const one = [...waiting][pick % waiting.size] as FakeWaiter;
            waiting.delete(one);
            spread.leave(one);
            spread.leave(one);
          } else if (source.waiters.length > 0) {
            const counted = source.waiters.shift() as CellWaiter;
            const answered = new Set(all.filter(({ answers }) => answers > 0));
            if (kind === 'grant') counted.granted({} as Cell);
            else counted.refused({ errorClass: 'start_failed', message: '', details: null, transient: true });
            for (const one of all) if (one.answers > 0 && !answered.has(one)) waiting.delete(one);
          }
          expect(sources.reduce((sum, { waiters }) => sum + waiters.length, 0)).toBe(waiting.size);
        }
        expect(all.every(({ answers }) => answers <= 1)).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
