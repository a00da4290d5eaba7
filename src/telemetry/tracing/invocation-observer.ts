import type { SpanLines } from '../logs/span-lines.js';
import type { InvocationTrace } from './invocation-trace.js';
import type { SettledInvocation } from './settled-invocation.js';
import type { Acceptance, Tracer } from './tracer.js';

/** What follows invocations from their arrival to their end: traces, lines of the log, or both. Without either there is none of these. */
export class InvocationObserver {
  readonly #tracer: Tracer | null;
  readonly #lines: SpanLines | null;

  constructor(tracer: Tracer | null, lines: SpanLines | null) {
    this.#tracer = tracer;
    this.#lines = lines;
  }

  /** Null = it is part of no trace. */
  begin(traceparent: string, tracestate: string): InvocationTrace | null {
    return this.#tracer === null ? null : this.#tracer.begin(traceparent, tracestate);
  }

  /** Whether its end is worth describing. */
  wants(trace: InvocationTrace | null): boolean {
    return this.#lines !== null || trace?.sampled === true;
  }

  settled(trace: InvocationTrace | null, settled: SettledInvocation): void {
    if (trace?.sampled === true) this.#tracer?.settled(trace, settled);
    this.#lines?.write(trace, settled);
  }

  /** As `Tracer.accept`; null = there are no traces. */
  accept(name: string, version: string, traceparent: string, tracestate: string): Acceptance | null {
    return this.#tracer === null ? null : this.#tracer.accept(name, version, traceparent, tracestate);
  }

  counters(): Record<string, number> {
    return this.#tracer?.counters() ?? {};
  }

  async close(): Promise<void> {
    await this.#tracer?.close();
  }
}
