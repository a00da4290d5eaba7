import type { InvocationTrace } from '../tracing/invocation-trace.js';
import { phasesOf, type SettledInvocation } from '../tracing/settled-invocation.js';
import type { Log } from './log.js';
import { STABLE_MESSAGES } from './messages.js';

/**
 * Spans as lines of the log (`log.spans`). They are written when an invocation has ended, from the times that are known then: `at` says when each began or ended; µs since the invocation came. So an
 * invocation costs nothing before its end, and one that never ends has no lines.
 */
export class SpanLines {
  readonly #log: Log;
  readonly #beginnings: boolean;

  /** `full`: a line for each beginning too. */
  constructor(log: Log, mode: 'close' | 'full') {
    this.#log = log;
    this.#beginnings = mode === 'full';
  }

  write(trace: InvocationTrace | null, settled: SettledInvocation): void {
    const { tid, fn, enqueuedAt, endedAt, errorClass, state } = settled;
    const traced = trace?.sampled === true ? { trace: trace.traceId } : {};
    const common = { tid, function: fn.key, ...traced };
    if (this.#beginnings) this.#log.info({ ...common, span: 'invocation', at: 0 }, STABLE_MESSAGES.spanNew);
    for (const { name, from, to } of phasesOf(settled)) {
      const at = to - enqueuedAt;
      if (this.#beginnings) this.#log.info({ ...common, span: name, at: from - enqueuedAt }, STABLE_MESSAGES.spanNew);
      this.#log.info({ ...common, span: name, at, us: to - from }, STABLE_MESSAGES.spanClose);
    }
    const us = endedAt - enqueuedAt;
    this.#log.info({ ...common, span: 'invocation', at: us, us, state, errorClass }, STABLE_MESSAGES.spanClose);
  }
}
