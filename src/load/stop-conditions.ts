import type { LoadRow } from '../results/load-row.js';

export interface StopOptions {
  /** Of the last invocations that ended, 0 … 1; above, the load ends. 1 = never. */
  readonly maxErrorRate: number;
  /** The load ends when the target was `unavailable` for so long and for every invocation; µs. Infinity = never. */
  readonly lostUs: number;
}

/** Over so many of the last invocations the error rate is taken; before there are so many, there is none. */
const WINDOW = 200;

/** Looks at every row, and says when there is no use in going on. */
export class StopConditions {
  readonly #options: StopOptions;
  /** 1 = failed; a ring. */
  readonly #last = new Uint8Array(WINDOW);
  #count = 0;
  #failed = 0;
  /** Since when the target is gone; -1 = it is there. */
  #lostAt = -1;

  constructor(options: StopOptions) {
    this.#options = options;
  }

  /** Why the load should end; null = it goes on. */
  judge({ outcome, endUs, error }: Readonly<LoadRow>): StopReason | null {
    if (outcome === 'cancelled') return null;
    if (outcome !== 'unavailable') this.#lostAt = -1;
    else if (this.#lostAt < 0) this.#lostAt = endUs;
    if (this.#lostAt >= 0 && endUs - this.#lostAt >= this.#options.lostUs) {
      const seconds = ((endUs - this.#lostAt) / 1e6).toFixed(1);
      return { kind: 'target-lost', text: `the target was unavailable for ${seconds} s: ${error}` };
    }
    return this.#tooManyErrors(outcome === 'ok' ? 0 : 1);
  }

  #tooManyErrors(failed: 0 | 1): StopReason | null {
    const place = this.#count++ % WINDOW;
    this.#failed += failed - (this.#last[place] as number);
    this.#last[place] = failed;
    const rate = this.#failed / WINDOW;
    if (this.#count < WINDOW || rate <= this.#options.maxErrorRate) return null;
    return {
      kind: 'error-rate',
      text: `${Math.round(100 * rate)} % of the last ${WINDOW} invocations failed, more than ${100 * this.#options.maxErrorRate} %`,
    };
  }
}

/** Why a load has ended before everything was sent. */
export interface StopReason {
  readonly kind: 'interrupted' | 'error-rate' | 'target-lost' | 'not-written' | 'generator-failed';
  /** For people. */
  readonly text: string;
}
