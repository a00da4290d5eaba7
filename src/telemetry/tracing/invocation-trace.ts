import { type TraceHeaders, traceparentOf } from './trace-context.js';

/** The trace that one invocation is part of, from its arrival on: decided once, and what its function is told of it. */
export class InvocationTrace {
  readonly traceId: string;
  /** Of the caller's span; '' = it begins the trace. */
  readonly parentId: string;
  readonly tracestate: string;
  readonly sampled: boolean;
  /** Of the span of the whole invocation. */
  readonly spanId: string;
  /** Of the span of its run, which the function's own spans are children of. */
  readonly runId: string;
  readonly #propagate: boolean;

  constructor(
    traceId: string,
    parentId: string,
    tracestate: string,
    sampled: boolean,
    spanId: string,
    runId: string,
    propagate: boolean,
  ) {
    this.traceId = traceId;
    this.parentId = parentId;
    this.tracestate = tracestate;
    this.sampled = sampled;
    this.spanId = spanId;
    this.runId = runId;
    this.#propagate = propagate;
  }

  /** For the function; null = it is told nothing. Also of what is not sampled: the function must not decide anew. */
  outgoing(): TraceHeaders | null {
    if (!this.#propagate) return null;
    const traceparent = traceparentOf(this.traceId, this.sampled ? this.runId : this.spanId, this.sampled);
    return { traceparent, tracestate: this.tracestate };
  }
}
