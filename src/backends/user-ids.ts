/** Unprivileged uids, one per container, so that two containers of one host never share one. Free ones are reused oldest first. */
export class UserIds {
  readonly #free: number[] = [];
  /** Taken ahead of their turn. */
  readonly #claimed = new Set<number>();
  readonly #base: number;
  #next: number;
  readonly #end: number;
  #head = 0;

  constructor(base: number, count: number) {
    this.#base = base;
    this.#next = base;
    this.#end = base + count;
  }

  /** null = all are taken. */
  take(): number | null {
    while (this.#claimed.delete(this.#next)) this.#next++;
    if (this.#next < this.#end) return this.#next++;
    if (this.#head === this.#free.length) return null;
    const id = this.#free[this.#head++] as number;
    if (this.#head > 1024) {
      this.#free.splice(0, this.#head);
      this.#head = 0;
    }
    return id;
  }

  /** One that a container of an earlier process has, maybe of another range. Before the first `take`. */
  claim(id: number): void {
    if (id >= this.#next && id < this.#end) this.#claimed.add(id);
  }

  give(id: number): void {
    // Not reached yet: its turn is still to come.
    if (this.#claimed.delete(id)) return;
    if (id >= this.#base && id < this.#next) this.#free.push(id);
  }
}
