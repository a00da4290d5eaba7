import type { FunctionRecord } from '../../function-record.js';
import type { HeapNode } from '../../priority-heap.js';
import { Characteristic } from '../../stats.js';
import { IdleHistogram } from './idle-histogram.js';

const HEAD_PERCENT = 5;
const TAIL_PERCENT = 99;
const MARGIN_PERCENT = 10;
const LEAST_VARIATION = 2;
const FORECAST_MARGIN_PERCENT = 15;

/**
 * What the hybrid histogram policy knows of one function (Shahrad et al., ATC 2020, §4.2): its idle times, from the end of a run after which nothing of it
 * ran to the next arrival, and the two windows that follow from them, µs:
 *
 * * *representative* (coefficient of variation of the bin counts ≥ 2): pre-warm = 0.9 × lower edge of the bin of the 5th percentile; keep-alive = 1.1 ×
 *   upper edge of the bin of the 99th percentile - pre-warm, so that both together reach past the tail;
 * * *mostly out of bounds* (more than half of all idle times): forecast ± 15 %, that is pre-warm = 0.85 × forecast, keep-alive = 0.3 × forecast. The paper
 *   forecasts by ARIMA; here it is the moving average of all idle times, which learns their level and no seasons;
 * * else: pre-warm 0, and a fixed keep-alive.
 */
export class FunctionIdleness implements HeapNode {
  readonly fn: FunctionRecord;
  prewarmUs = 0;
  keepAliveUs: number;
  /** Containers of it that run. */
  running = 0;
  /** Since when nothing of it has run and nothing has been asked of it; -1 = that is not so, or not known. */
  idleSince = -1;
  /** When a container should be ready. */
  priority = 0;
  readonly order: number;
  heapIndex = -1;
  readonly #binUs: number;
  readonly #bins: number;
  readonly #fixedUs: number;
  readonly #times = new Characteristic();
  #histogram: IdleHistogram | null = null;

  constructor(fn: FunctionRecord, binUs: number, bins: number, fixedUs: number) {
    this.fn = fn;
    this.order = fn.index;
    this.#binUs = binUs;
    this.#bins = bins;
    this.#fixedUs = fixedUs;
    this.keepAliveUs = fixedUs;
  }

  /** One more idle time has ended. O(log bins). */
  add(idleUs: number): void {
    this.#times.add(idleUs);
    const bin = Math.floor(idleUs / this.#binUs);
    if (bin < this.#bins) {
      // Made with the first time in it: many functions are called once and never again.
      this.#histogram ??= new IdleHistogram(this.#bins);
      this.#histogram.add(bin);
    }
    this.#setWindows(this.#histogram);
  }

  #setWindows(histogram: IdleHistogram | null): void {
    const { count, average } = this.#times;
    if (histogram === null || count > 2 * histogram.total) {
      this.prewarmUs = Math.floor(((100 - FORECAST_MARGIN_PERCENT) * average) / 100);
      this.keepAliveUs = Math.ceil((2 * FORECAST_MARGIN_PERCENT * average) / 100);
    } else if (histogram.variation() < LEAST_VARIATION) {
      this.prewarmUs = 0;
      this.keepAliveUs = this.#fixedUs;
    } else {
      const head = histogram.percentile(HEAD_PERCENT) * this.#binUs;
      const tail = (histogram.percentile(TAIL_PERCENT) + 1) * this.#binUs;
      this.prewarmUs = Math.floor(((100 - MARGIN_PERCENT) * head) / 100);
      this.keepAliveUs = Math.ceil(((100 + MARGIN_PERCENT) * tail) / 100) - this.prewarmUs;
    }
  }
}
