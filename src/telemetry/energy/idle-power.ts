/**
 * What a machine (or its GPUs) takes when nothing runs on it, learned from the latest intervals. Where some of them were all but idle: a low quantile of their power; not the least, which is a matter of the
 * source's noise. Where something always runs, be it of others: what a straight line through power over busy time gives for no busy time, once the intervals differ enough for one.
 */
export class IdlePower {
  readonly #busy: number[] = [];
  readonly #power: number[] = [];
  #at = 0;
  #watts = 0;

  /** W; 0 = not known yet. */
  get watts(): number {
    return this.#watts;
  }

  /** Mean power of an interval, and how many cores (or GPUs) were busy in it on average. */
  seen(watts: number, busy: number): void {
    this.#busy[this.#at] = busy;
    this.#power[this.#at] = watts;
    this.#at = (this.#at + 1) % INTERVALS;
    const idle = this.#power.filter((_, index) => (this.#busy[index] as number) < IDLE);
    if (idle.length > 0) this.#watts = lowOf(idle);
    else this.#watts = this.#fitted() ?? this.#watts;
  }

  #fitted(): number | null {
    if (Math.max(...this.#busy) - Math.min(...this.#busy) < LEAST_SPREAD) return null;
    const busy = mean(this.#busy);
    const power = mean(this.#power);
    const above = this.#busy.map((one) => one - busy);
    const together = mean(above.map((one, index) => one * ((this.#power[index] as number) - power)));
    const slope = Math.max(0, together / mean(above.map((one) => one * one)));
    return Math.max(0, Math.min(power - slope * busy, ...this.#power));
  }
}

const INTERVALS = 64;
/** Busy cores below which a machine is all but idle. */
const IDLE = 0.05;
const QUANTILE = 0.1;
/** Of the busiest and the least busy interval, in cores: a line through less is a matter of chance. */
const LEAST_SPREAD = 0.5;

function lowOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(QUANTILE * (sorted.length - 1))] as number;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
