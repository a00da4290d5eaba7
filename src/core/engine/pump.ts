/**
 * Runs the rounds in which queued work is placed: one of each scheduler, then what comes after them. Called again from inside itself (an answer raised by a
 * command) it only notes that there is more to do, so that a round never sees the books half-written.
 */
export class Pump {
  /** Each says whether the head of its queue waits for memory. */
  readonly #rounds: (() => boolean)[] = [];
  /** Called before them. */
  before: () => void = () => {};
  /** Called after the rounds with true when any head waits for memory: others that want memory then wait too. */
  after: (memoryIsAwaited: boolean) => void = () => {};
  #busy = false;
  #again = false;

  add(round: () => boolean): void {
    this.#rounds.push(round);
  }

  run(): void {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        this.before();
        let awaited = false;
        for (const round of this.#rounds) awaited = round() || awaited;
        this.after(awaited);
      } while (this.#again);
    } finally {
      this.#busy = false;
    }
  }

  /** Does something during which nothing may be placed. Whoever calls it runs the pump afterwards. */
  hold(work: () => void): void {
    const wasBusy = this.#busy;
    this.#busy = true;
    try {
      work();
    } finally {
      this.#busy = wasBusy;
    }
  }
}
