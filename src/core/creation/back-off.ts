import type { ContainerFailure } from '../ports.js';
import type { Random } from '../random.js';
import type { CreationCause } from './creation-attempts.js';

export interface BackOffOptions {
  /** After the first failure; doubled with each further one. */
  readonly backOffUs: number;
  readonly maxBackOffUs: number;
  /** Which part of a back-off is left to chance: 0 = none, 1 = all of it. */
  readonly jitter: number;
  readonly random: Random;
}

/** What new containers come through. While it is closed none are begun; what has been begun goes on. */
export interface Door {
  /** µs; 0 = it is open. Only `BackOff` writes it. */
  closedUntil: number;
  /** Times it was closed, in all and without a success between them. */
  closings: number;
  closedInARow: number;
  /** Why it was closed, the latest last; as far back as somebody may have to be told. */
  causes: readonly CreationCause[];
}

/** Kept at a door. */
const MOST_CAUSES = 100;

/** Exponential back-off, in the unit of `first`: that after the first failure, doubled with each that went `before`; of it, the part `jitter` (none unless given) is left to chance. */
export function pauseAfter(
  before: number,
  first: number,
  longest: number,
  jitter = 0,
  random: Random = () => 0,
): number {
  return Math.min(longest, first * 2 ** Math.min(before, 30)) * (1 - jitter * random());
}

/**
 * The pauses between attempts to make a container: exponential, with jitter, so that functions that failed together are not tried again together. A pause is a function's (on one kind of
 * device), not one invocation's: whoever comes meanwhile would fail as well, and all that wait are tried in the order of their arrival once it is over.
 */
export class BackOff {
  readonly #options: BackOffOptions;
  readonly #closed = new Set<Door>();
  #next = Number.POSITIVE_INFINITY;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** When `due` has something to open; µs, Infinity = nothing is closed. */
  get next(): number {
    return this.#next;
  }

  isKept(door: Door): boolean {
    return this.#closed.has(door);
  }

  /** Closes it after a failure. Closed already, it stays so until its time, since what fails now was begun before: false. */
  close(door: Door, backend: string, failure: ContainerFailure, now: number): boolean {
    if (door.closedUntil > 0) return false;
    const { backOffUs, maxBackOffUs, jitter, random } = this.#options;
    // A whole microsecond at least: a door that is closed until now would be opened by no later tick.
    const pause = pauseAfter(door.closedInARow, backOffUs, maxBackOffUs, jitter, random);
    door.closedUntil = now + Math.max(1, Math.round(pause));
    door.closings++;
    door.closedInARow++;
    const { errorClass, message } = failure;
    const cause = { attempt: door.closedInARow, backend, errorClass, message };
    door.causes = [...door.causes.slice(1 - MOST_CAUSES), cause];
    this.#closed.add(door);
    if (door.closedUntil < this.#next) this.#next = door.closedUntil;
    return true;
  }

  /** Opens it and forgets its failures: something has succeeded, or it is not needed any more. */
  reset(door: Door): void {
    door.closedInARow = 0;
    door.causes = [];
    if (door.closedUntil === 0) return;
    door.closedUntil = 0;
    this.#closed.delete(door);
    this.#findNext();
  }

  /** Opens those whose time has come. */
  due<D extends Door>(now: number): D[] {
    if (this.#next > now) return [];
    const due = [...this.#closed]
      .filter((door) => door.closedUntil <= now)
      .sort((a, b) => a.closedUntil - b.closedUntil);
    for (const door of due) {
      door.closedUntil = 0;
      this.#closed.delete(door);
    }
    this.#findNext();
    return due as D[];
  }

  #findNext(): void {
    this.#next = Number.POSITIVE_INFINITY;
    for (const { closedUntil } of this.#closed) if (closedUntil < this.#next) this.#next = closedUntil;
  }
}
