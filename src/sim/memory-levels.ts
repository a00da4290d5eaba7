/**
 * Running and cached memory over time, and their integrals; MiB and MiB·s. The port moves memory as it moves containers, so that the integrals are exact
 * and cost two multiplications a change, not a look at the engine an event.
 */
export class MemoryLevels {
  runningMb = 0;
  cachedMb = 0;
  #runningArea = 0;
  #cachedArea = 0;
  #since = 0;

  /** Since `begin`; MiB·s. */
  get runningMbSeconds(): number {
    return this.#runningArea / 1e6;
  }

  get cachedMbSeconds(): number {
    return this.#cachedArea / 1e6;
  }

  /** Forgets the integrals, not the levels. */
  begin(now: number): void {
    this.#runningArea = 0;
    this.#cachedArea = 0;
    this.#since = now;
  }

  change(runningMb: number, cachedMb: number, now: number): void {
    this.advance(now);
    this.runningMb += runningMb;
    this.cachedMb += cachedMb;
  }

  advance(now: number): void {
    const us = now - this.#since;
    if (us === 0) return;
    this.#runningArea += us * this.runningMb;
    this.#cachedArea += us * this.cachedMb;
    this.#since = now;
  }
}
