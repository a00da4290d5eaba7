import type { InvocationEntry } from './invocation-entry.js';

/** 2^14 µs a slot and 4096 slots: one turn is 67 s, about the default time-out of a function. */
const SLOT_BITS = 14;
const SLOTS = 4096;
const SLOT_US = 2 ** SLOT_BITS;

/**
 * The deadlines of all open invocations: a hashed timing wheel. Adding and removing is O(1) and touches only the invocation, so that a warm one, whose deadline
 * almost never passes, pays next to nothing for having one. Deadlines are exact: the slots only say where to look.
 */
export class DeadlineWheel {
  readonly #heads: (InvocationEntry | null)[] = new Array(SLOTS).fill(null);
  #size = 0;
  /** Everything before this slot number has been looked at. */
  #cursor = 0;
  #next = Number.POSITIVE_INFINITY;

  get size(): number {
    return this.#size;
  }

  /** Nothing is due before this; µs. May be too early (what was due then has been removed), never too late. */
  get next(): number {
    return this.#next;
  }

  add(invocation: InvocationEntry, dueAt: number): void {
    const number = Math.floor(dueAt / SLOT_US);
    if (this.#size++ === 0 || number < this.#cursor) this.#cursor = number;
    const slot = number % SLOTS;
    const head = this.#heads[slot] as InvocationEntry | null;
    invocation.dueAt = dueAt;
    invocation.wheelSlot = slot;
    invocation.wheelPrevious = null;
    invocation.wheelNext = head;
    if (head !== null) head.wheelPrevious = invocation;
    this.#heads[slot] = invocation;
    if (dueAt < this.#next) this.#next = dueAt;
  }

  remove(invocation: InvocationEntry): void {
    const { wheelSlot, wheelPrevious, wheelNext } = invocation;
    if (wheelSlot < 0) return;
    if (wheelPrevious === null) this.#heads[wheelSlot] = wheelNext;
    else wheelPrevious.wheelNext = wheelNext;
    if (wheelNext !== null) wheelNext.wheelPrevious = wheelPrevious;
    invocation.wheelSlot = -1;
    invocation.wheelPrevious = null;
    invocation.wheelNext = null;
    // With nothing open there is nothing to wake up for: an idle engine needs no timer.
    if (--this.#size === 0) this.#next = Number.POSITIVE_INFINITY;
  }

  /** Takes out what is due at `now`, earliest first. */
  takeDue(now: number): InvocationEntry[] {
    const due: InvocationEntry[] = [];
    if (this.#next > now) return due;
    const last = Math.floor(now / SLOT_US);
    const from = Math.min(this.#cursor, Math.floor(this.#next / SLOT_US));
    const end = Math.min(last, from + SLOTS - 1);
    for (let number = from; number <= end; number++) {
      let invocation = this.#heads[number % SLOTS] as InvocationEntry | null;
      while (invocation !== null) {
        const after: InvocationEntry | null = invocation.wheelNext;
        if (invocation.dueAt <= now) {
          this.remove(invocation);
          due.push(invocation);
        }
        invocation = after;
      }
    }
    this.#cursor = last;
    this.#next = this.#findNext();
    return due.sort((a, b) => a.dueAt - b.dueAt || a.id - b.id);
  }

  /** The first slot of this turn that holds something of this turn decides; when none does, the turn's end is early enough to look again. */
  #findNext(): number {
    if (this.#size === 0) return Number.POSITIVE_INFINITY;
    for (let number = this.#cursor; number < this.#cursor + SLOTS; number++) {
      let earliest = Number.POSITIVE_INFINITY;
      let invocation = this.#heads[number % SLOTS] as InvocationEntry | null;
      while (invocation !== null) {
        if (invocation.dueAt < earliest && Math.floor(invocation.dueAt / SLOT_US) === number)
          earliest = invocation.dueAt;
        invocation = invocation.wheelNext;
      }
      if (earliest < Number.POSITIVE_INFINITY) return earliest;
    }
    return (this.#cursor + SLOTS) * SLOT_US;
  }
}
