import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { PolicyEntry } from '../policy.js';
import type { DispatchPolicy } from './dispatch-policy.js';
import { bounded } from './estimates.js';
import { FunctionStates } from './function-states.js';
import { LearningDispatch } from './learning-dispatch.js';

/** The longest average time between arrivals that is told apart from a longer one: 11 days. Keeps the sum of nine thousand functions exact. */
const MOST_US = 1e12;

/**
 * On the GPU runs what comes more often than the average function: average time between arrivals (µs) no longer than the mean of that over all functions. A
 * function that came less than twice is not known to come often, and does not count in the mean. Kept as a sum of whole numbers: it cannot drift.
 */
export class TopAverageDispatch extends LearningDispatch {
  readonly #intervals = new FunctionStates(() => ({ us: 0 }));
  #sumUs = 0;
  #known = 0;

  protected override decide(fn: FunctionRecord): Device {
    const { count, average } = fn.stats.interArrival;
    if (count === 0) return 'cpu';
    const interval = this.#intervals.of(fn);
    if (interval.us === 0) this.#known++;
    const us = Math.min(MOST_US, Math.max(1, Math.round(bounded(average))));
    this.#sumUs += us - interval.us;
    interval.us = us;
    return us * this.#known > this.#sumUs ? 'cpu' : 'gpu';
  }

  override forget(fn: FunctionRecord): void {
    const interval = this.#intervals.peek(fn);
    if (interval === null) return;
    this.#sumUs -= interval.us;
    this.#known--;
    this.#intervals.forget(fn);
  }

  report(): unknown {
    return {
      meanUs: this.#known === 0 ? 0 : this.#sumUs / this.#known,
      intervalUs: this.#intervals.mapped(({ us }) => us),
    };
  }
}

export const top_avg: PolicyEntry<DispatchPolicy> = {
  name: 'top_avg',
  family: 'dispatch',
  optimises: 'warm starts on the GPU: it is for the functions that come more often than the average one',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar, enqueueing policy "TopAvg"',
  create: () => new TopAverageDispatch(),
};
