const MARKS = 32;
/** As many as the original averages its throughput over. */
const RATE_MARKS = 20;

/** The pace of the latest completions on one kind of device. O(1), allocates nothing. */
export class Throughput {
  readonly #times = new Float64Array(MARKS);
  readonly #runs = new Float64Array(MARKS);
  #count = 0;

  /** `runUs`: how long it ran. */
  mark(now: number, runUs: number): void {
    const at = this.#count++ % MARKS;
    this.#times[at] = now;
    this.#runs[at] = runUs;
  }

  /** Between one completion and the next; µs, 0 = not known yet. Says when a full queue will have room. */
  intervalUs(now: number): number {
    const marks = Math.min(this.#count, MARKS);
    if (marks === 0) return 0;
    const oldest = this.#times[(this.#count - marks) % MARKS] as number;
    return (now - oldest) / marks;
  }

  /** Seconds of execution per second between the oldest and the newest of the latest 20 completions; 0 = not known yet. */
  get executionRate(): number {
    const marks = Math.min(this.#count, RATE_MARKS);
    if (marks < 2) return 0;
    let sumUs = 0;
    for (let i = this.#count - marks; i < this.#count; i++) sumUs += this.#runs[i % MARKS] as number;
    const oldest = this.#times[(this.#count - marks) % MARKS] as number;
    const newest = this.#times[(this.#count - 1) % MARKS] as number;
    return newest > oldest ? sumUs / (newest - oldest) : 0;
  }
}
