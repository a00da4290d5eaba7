/**
 * The total of a counter that runs from 0 to a range and begins again. Pure: the caller reads it and says when. What it cannot know it does not make up: it says that something is missing (`missed`).
 */
export interface CounterOptions {
  /** Values are less than this; at it, the counter begins again at 0. */
  readonly range: number;
  /** It cannot rise faster, in its units per second; a wrap-around that would need more was none. */
  readonly mostPerSecond: number;
}

/** Counters are brought up to date now and then: a rise may be of so much longer than the time between two readings. */
const SLACK_US = 200_000;

export class WrappingCounter {
  /** Since the first value, in its units. */
  total = 0;
  /** Times that it rose by an amount that is not known: it wrapped around more than once, perhaps, or was set back. */
  missed = 0;
  readonly #options: CounterOptions;
  #last = Number.NaN;
  #lastUs = 0;

  constructor(options: CounterOptions) {
    this.#options = options;
  }

  /** Returns by how much it rose since the value before; `atUs` does not fall. */
  add(value: number, atUs: number): number {
    const { range, mostPerSecond } = this.#options;
    const last = this.#last;
    const most = ((atUs - this.#lastUs + SLACK_US) / 1e6) * mostPerSecond;
    this.#last = value;
    this.#lastUs = atUs;
    if (Number.isNaN(last)) return 0;
    let rise = value >= last ? value - last : value - last + range;
    if (rise > most) {
      // Set back, by a driver that was loaded again or a machine that slept: at least what it has counted since. Forward, it is no energy at all.
      this.missed++;
      rise = value < last && value <= most ? value : 0;
    } else if (rise + range <= most) {
      this.missed++;
    }
    this.total += rise;
    return rise;
  }
}
