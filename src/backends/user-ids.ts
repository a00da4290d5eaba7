/** Unprivileged uids, one per container, so that two containers of one host never share one. Free ones are reused oldest first. */
export class UserIds {
  readonly #free: number[] = [];
  #next: number;
  readonly #end: number;
  #head = 0;

  constructor(base: number, count: number) {
    this.#next = base;
    this.#end = base + count;
  }

  /** null = all are taken. */
  take(): number | null {
    if (this.#next < this.#end) return this.#next++;
    if (this.#head === this.#free.length) return null;
    const id = this.#free[this.#head++] as number;
    if (this.#head > 1024) {
      this.#free.splice(0, this.#head);
      this.#head = 0;
    }
    return id;
  }

  give(id: number): void {
    this.#free.push(id);
  }
}
