const MARKS = 32;

/** The pace of the latest completions; says when a full queue will have room. O(1), allocates nothing. */
export class Throughput {
  readonly #times = new Float64Array(MARKS);
  #count = 0;

  mark(now: number): void {
    this.#times[this.#count++ % MARKS] = now;
  }

  /** Between one completion and the next; µs, 0 = not known yet. */
  intervalUs(now: number): number {
    const marks = Math.min(this.#count, MARKS);
    if (marks === 0) return 0;
    const oldest = this.#times[(this.#count - marks) % MARKS] as number;
    return (now - oldest) / marks;
  }
}
