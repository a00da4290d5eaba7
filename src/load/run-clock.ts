/**
 * Time of a run: whole µs since its beginning, negative before it, on the monotonic clock of the machine, which all of its processes share.
 */
export class RunClock {
  #originUs: number | null = null;
  /** The beginning, as `performance.now` has it; µs. */
  #beginUs = Number.POSITIVE_INFINITY;

  /** As `process.hrtime` has it; µs; null = nobody has said yet when it begins. */
  get originUs(): number | null {
    return this.#originUs;
  }

  /** Says when it begins, on the machine's clock. */
  begin(originUs: number): void {
    this.#originUs = originUs;
    this.#beginUs = performance.now() * 1000 - (machineUs() - originUs);
  }

  now(): number {
    return Math.round(performance.now() * 1000 - this.#beginUs);
  }
}

/** Of the machine's monotonic clock: the same in all processes; µs. */
export function machineUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}
