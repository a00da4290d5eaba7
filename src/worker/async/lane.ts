/**
 * Which asynchronous invocation of one function goes next, and whether one may: order of acceptance, at most so many at once. Pure: it keeps entries, and does not look into them.
 *
 * Not promised: anything of order when the function is not `ordered`.
 */
export interface LaneSettings {
  readonly concurrency: number;
  readonly ordered: boolean;
}

export class Lane<Entry extends object> {
  /** In order; a set, so that one that is cancelled is out at once. */
  readonly #waiting = new Set<Entry>();
  /** Whose pause between two attempts is over: before all that have not begun. */
  readonly #returned = new Set<Entry>();
  /** Running, and between two attempts. */
  readonly #open = new Set<Entry>();
  #running = 0;
  /** Nothing is taken before this; ms since 1970. */
  closedUntil = 0;

  get empty(): boolean {
    return this.#waiting.size === 0 && this.#open.size === 0;
  }

  /** Last in order. */
  add(entry: Entry): void {
    this.#waiting.add(entry);
  }

  /** The next that may run now, which then counts as running; null = none. */
  take({ concurrency, ordered }: LaneSettings): Entry | null {
    if (this.#running >= concurrency) return null;
    const [returned] = this.#returned;
    if (returned !== undefined) {
      this.#returned.delete(returned);
      this.#running++;
      return returned;
    }
    if (ordered && this.#open.size > 0) return null;
    const [first] = this.#waiting;
    if (first === undefined) return null;
    this.#waiting.delete(first);
    this.#open.add(first);
    this.#running++;
    return first;
  }

  /** It does not run any more and will be back: in its pause it lets others run, but keeps its place where the function is ordered. */
  pause(entry: Entry): void {
    this.#open.add(entry);
    this.#running--;
  }

  /** As `pause`, for one that ran in an earlier life of the worker. */
  restorePaused(entry: Entry): void {
    this.#open.add(entry);
  }

  /** Its pause is over. */
  resume(entry: Entry): void {
    if (this.#open.has(entry)) this.#returned.add(entry);
  }

  /** It ran, and has ended for good. */
  end(entry: Entry): void {
    if (this.#open.delete(entry)) this.#running--;
  }

  /** It has not begun, or is between two attempts, and never will again. */
  remove(entry: Entry): void {
    this.#waiting.delete(entry);
    this.#returned.delete(entry);
    this.#open.delete(entry);
  }
}
