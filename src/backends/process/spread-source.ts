import type { Cell } from './cell.js';
import type { CellWaiter } from './cell-pool.js';
import type { CellSource } from './spawner-slot.js';

/**
 * One source made of several, whose spawners work side by side: a spawner stands still while it begins a container, so one alone keeps no more than one core
 * busy in a burst. The first keeps the ready cells; what finds none goes where the fewest wait.
 */
export class SpreadSource implements CellSource {
  readonly #sources: readonly CellSource[];
  /** Starts that wait, per source. */
  readonly #waiting: number[];
  readonly #places = new Map<CellWaiter, { waiter: CellWaiter; index: number }>();

  constructor(sources: readonly CellSource[]) {
    this.#sources = sources;
    this.#waiting = sources.map(() => 0);
  }

  get ready(): number {
    return this.#sources.reduce((sum, source) => sum + source.ready, 0);
  }

  take(waiter: CellWaiter): void {
    const index = this.#choose();
    const done = (): void => {
      if (this.#places.delete(waiter)) this.#waiting[index] = (this.#waiting[index] as number) - 1;
    };
    const counted: CellWaiter = {
      granted: (cell: Cell) => {
        done();
        waiter.granted(cell);
      },
      refused: (failure) => {
        done();
        waiter.refused(failure);
      },
    };
    this.#places.set(waiter, { waiter: counted, index });
    this.#waiting[index] = (this.#waiting[index] as number) + 1;
    (this.#sources[index] as CellSource).take(counted);
  }

  leave(waiter: CellWaiter): void {
    const place = this.#places.get(waiter);
    if (place === undefined) return;
    this.#places.delete(waiter);
    this.#waiting[place.index] = (this.#waiting[place.index] as number) - 1;
    (this.#sources[place.index] as CellSource).leave(place.waiter);
  }

  #choose(): number {
    const ready = this.#sources.findIndex((source) => source.ready > 0);
    if (ready >= 0) return ready;
    let best = 0;
    for (let index = 1; index < this.#sources.length; index++) {
      // One that is not up yet would keep its starts waiting for it.
      if (!(this.#sources[index] as CellSource).up) continue;
      if ((this.#waiting[index] as number) < (this.#waiting[best] as number)) best = index;
    }
    return best;
  }

  get up(): boolean {
    return this.#sources.some((source) => source.up);
  }
}
