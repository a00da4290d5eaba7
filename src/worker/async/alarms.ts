import { type HeapNode, PriorityHeap } from '../../core/priority-heap.js';

/** Something that is due at a time; its `priority` is that time, ms since 1970. */
export type Alarm = HeapNode;

/**
 * Many times and one timer: calls `due` with each whose time has come, the earliest first. Follows the wall clock, looked at once a minute at least, since that may be set.
 */
export class Alarms<Due extends Alarm> {
  readonly #heap = new PriorityHeap<Due>();
  readonly #now: () => number;
  readonly #due: (due: Due) => void;
  #timer: NodeJS.Timeout | null = null;
  #order = 0;
  #stopped = false;

  constructor(now: () => number, due: (due: Due) => void) {
    this.#now = now;
    this.#due = due;
  }

  get length(): number {
    return this.#heap.length;
  }

  set(alarm: Due, at: number): void {
    alarm.order = ++this.#order;
    if (alarm.heapIndex >= 0) this.#heap.remove(alarm);
    alarm.priority = at;
    this.#heap.push(alarm);
    this.#arm();
  }

  cancel(alarm: Due): void {
    this.#heap.remove(alarm);
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #arm(): void {
    const first = this.#heap.first();
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (first === null || this.#stopped) return;
    const wait = Math.min(LONGEST_WAIT_MS, Math.max(0, first.priority - this.#now()));
    this.#timer = setTimeout(() => this.#ring(), wait);
    this.#timer.unref();
  }

  #ring(): void {
    this.#timer = null;
    const now = this.#now();
    for (let first = this.#heap.first(); first !== null && first.priority <= now; first = this.#heap.first()) {
      this.#heap.remove(first);
      this.#due(first);
      if (this.#stopped) return;
    }
    this.#arm();
  }
}

const LONGEST_WAIT_MS = 60_000;
