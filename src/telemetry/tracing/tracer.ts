import type { TracingConfig } from '../../config/sections/tracing.js';
import type { Log } from '../logs/log.js';
import { spansOf } from './invocation-spans.js';
import { InvocationTrace } from './invocation-trace.js';
import { OtlpEncoder } from './otlp-encoder.js';
import { isSampled } from './sampler.js';
import { phasesOf, type SettledInvocation } from './settled-invocation.js';
import { type Attributes, type Span, SpanKind } from './span.js';
import { type Exportable, SpanExporter, type WatchedWork } from './span-exporter.js';
import { parseTraceContext, type TraceHeaders, traceparentOf } from './trace-context.js';
import { TraceIds } from './trace-ids.js';
import { WallClock } from './wall-clock.js';

/** Traces of one worker: decides which invocations are recorded, and has their spans sent once they have ended. */
export interface TracerOptions {
  readonly config: TracingConfig;
  /** Of whom all spans are. */
  readonly resource: Attributes;
  readonly version: string;
  readonly task: WatchedWork;
  readonly log: Log;
  /** The engine's clock; µs. */
  now(): number;
}

interface Recorded extends Exportable {
  make(): Span[];
}

/** An asynchronous invocation on its way to the disk. */
export interface Acceptance {
  /** What its runs and its webhook are told: they are children of its acceptance. */
  readonly headers: TraceHeaders;
  /** It is accepted, or was refused: `error`. */
  end(error: string | null): void;
}

const SCOPE = 'iluvatar';

export class Tracer {
  readonly #options: TracerOptions;
  readonly #ids = new TraceIds();
  readonly #clock = new WallClock();
  readonly #exporter: SpanExporter<Recorded>;
  #recorded = 0;

  constructor(options: TracerOptions) {
    const { config, resource, version, task, log } = options;
    this.#options = options;
    const encoder = new OtlpEncoder(resource, { name: SCOPE, version });
    this.#exporter = new SpanExporter({
      settings: config,
      task,
      log,
      encode: (items: readonly Recorded[]) => {
        this.#clock.follow();
        return encoder.encode(items.flatMap((item) => item.make()));
      },
    });
  }

  /** An invocation has come. `traceparent`, `tracestate`: as the caller sent them, '' = it sent none. */
  begin(traceparent: string, tracestate: string): InvocationTrace {
    const { config } = this.#options;
    const parent = traceparent === '' ? null : parseTraceContext(traceparent, tracestate);
    const traceId = parent === null ? this.#ids.trace() : parent.traceId;
    const sampled = isSampled(config.sampling, traceId, parent);
    const spanId = this.#ids.span();
    const runId = sampled ? this.#ids.span() : '';
    const { propagate } = config;
    return new InvocationTrace(
      traceId,
      parent?.spanId ?? '',
      parent?.tracestate ?? '',
      sampled,
      spanId,
      runId,
      propagate,
    );
  }

  /** A sampled one has ended. */
  settled(trace: InvocationTrace, settled: SettledInvocation): void {
    this.#add({
      spans: phasesOf(settled).length + 1,
      make: () => spansOf(trace, settled, this.#ids, this.#clock),
    });
  }

  /** An invocation is to be accepted now and run later. */
  accept(name: string, version: string, traceparent: string, tracestate: string): Acceptance {
    const trace = this.begin(traceparent, tracestate);
    const { traceId, spanId, sampled, parentId } = trace;
    const { now } = this.#options;
    const from = now();
    return {
      headers: { traceparent: traceparentOf(traceId, spanId, sampled), tracestate: trace.tracestate },
      end: (error) => {
        if (!sampled) return;
        const to = now();
        const make = (): Span[] => [
          {
            traceId,
            spanId,
            parentId,
            tracestate: trace.tracestate,
            name: `accept ${name}`,
            kind: SpanKind.producer,
            startUs: this.#clock.unixUs(from),
            endUs: this.#clock.unixUs(to),
            attributes: [
              ['faas.name', name],
              ['faas.version', version],
            ],
            events: [],
            error,
          },
        ];
        this.#add({ spans: 1, make });
      },
    };
  }

  counters(): Record<string, number> {
    return { tracesRecorded: this.#recorded, ...this.#exporter.counters() };
  }

  /** Sends what is left, as far as `stopMs` allows. */
  close(): Promise<void> {
    return this.#exporter.close();
  }

  #add(item: Recorded): void {
    this.#recorded++;
    this.#exporter.add(item);
  }
}
