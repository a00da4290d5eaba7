import { pauseAfter } from './creation/back-off.js';

/**
 * How long to wait before something that failed is started again: longer each time, from the beginning once it has run for a while. Also counts the failures of the last
 * while, since what comes back and fails again and again is not well, however well it is at this moment. Pure: time is the caller's.
 */
export interface RestartSettings {
  /** Pause after the first failure, doubled with each further one; ms. */
  readonly firstMs: number;
  readonly longestMs: number;
  /** What ran for so long begins with the first pause again; ms. */
  readonly settledMs: number;
  /** More failures than this within the window are too many. */
  readonly limit: number;
  readonly windowMs: number;
}

export class RestartBackOff {
  readonly #settings: RestartSettings;
  /** When it failed, of the last `limit` + 1 times: more need not be known. */
  readonly #failures: number[] = [];
  #inARow = 0;
  #runningSince = 0;

  constructor(settings: RestartSettings) {
    this.#settings = settings;
  }

  started(now: number): void {
    this.#runningSince = now;
  }

  /** Returns the pause before the next start; ms. */
  failed(now: number): number {
    const { firstMs, longestMs, settledMs, limit } = this.#settings;
    if (this.#runningSince > 0 && now - this.#runningSince >= settledMs) this.#inARow = 0;
    this.#runningSince = 0;
    const pause = pauseAfter(this.#inARow, firstMs, longestMs);
    this.#inARow++;
    this.#failures.push(now);
    if (this.#failures.length > limit + 1) this.#failures.shift();
    return pause;
  }

  /** Whether it failed more often than the limit within the window that ends now. */
  overLimit(now: number): boolean {
    const { limit, windowMs } = this.#settings;
    return this.#failures.length > limit && now - (this.#failures[0] as number) <= windowMs;
  }
}
