import type { TracingConfig } from '../../config/sections/tracing.js';
import type { Log } from '../logs/log.js';
import { type OtlpAnswer, OtlpFailure, postSpans } from './otlp-client.js';
import { Ring } from './ring.js';

/**
 * What waits to be sent, and its sending: in batches, one request at a time, again after a pause when the collector is not there. Whoever adds never waits; what has no
 * room makes the oldest go.
 */

/** Something that becomes spans when it is sent. */
export interface Exportable {
  readonly spans: number;
}

/** Work that is watched: what it throws is logged and counted, and it is begun again after `pauseMs`. */
export interface WatchedWork {
  readonly pauseMs: number;
  runAsync(work: () => Promise<void>): Promise<void>;
}

export interface SpanExporterOptions<T extends Exportable> {
  readonly settings: Pick<
    TracingConfig,
    'endpoint' | 'headers' | 'compression' | 'timeoutMs' | 'intervalMs' | 'bufferSpans' | 'batchSpans' | 'stopMs'
  >;
  readonly task: WatchedWork;
  readonly log: Log;
  encode(items: readonly T[]): Uint8Array<ArrayBuffer>;
}

/** Encoded, and not taken by the collector yet. */
interface Batch {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly spans: number;
}

/** A cold invocation has so many; the buffer holds invocations. */
const SPANS_EACH = 4;

export class SpanExporter<T extends Exportable> {
  readonly #options: SpanExporterOptions<T>;
  readonly #ring: Ring<T>;
  readonly #stop = new AbortController();
  readonly #batchItems: number;
  #batch: Batch | null = null;
  #timer: NodeJS.Timeout | null = null;
  #sending: Promise<void> | null = null;
  #stopped = false;
  #notBefore = 0;
  #sent = 0;
  #refused = 0;
  #requests = 0;

  constructor(options: SpanExporterOptions<T>) {
    this.#options = options;
    const { bufferSpans, batchSpans } = options.settings;
    this.#ring = new Ring(Math.ceil(bufferSpans / SPANS_EACH));
    this.#batchItems = Math.ceil(batchSpans / SPANS_EACH);
  }

  /** `traces…` by what became of them: sent = taken by the collector; refused = it will never take them; dropped = no room. */
  counters(): Record<string, number> {
    return {
      traceSpansSent: this.#sent,
      traceSpansRefused: this.#refused,
      tracesDropped: this.#ring.dropped,
      tracesWaiting: this.#ring.length,
      traceRequests: this.#requests,
    };
  }

  add(item: T): void {
    if (this.#stopped) return;
    this.#ring.push(item);
    // What is being sent is followed by what came meanwhile.
    if (this.#sending !== null) return;
    if (this.#ring.length === this.#batchItems) this.#arm(0);
    else if (this.#timer === null) this.#arm(this.#options.settings.intervalMs);
  }

  /** Sends what is left, for so long as `stopMs` allows. */
  async close(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const limit = setTimeout(() => this.#stop.abort(new Error('the worker ends')), this.#options.settings.stopMs);
    await this.#sending;
    try {
      while (this.#waiting) await this.#send();
    } catch (error) {
      this.#options.log.warn(
        { err: error, traces: this.#ring.length, ...this.counters() },
        'the last spans could not be sent',
      );
    }
    clearTimeout(limit);
  }

  #arm(afterMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    // A pause is for the collector: what fills up meanwhile does not shorten it.
    const wait = Math.max(afterMs, this.#notBefore - performance.now());
    this.#timer = setTimeout(() => this.#due(), wait);
    this.#timer.unref();
  }

  #due(): void {
    this.#timer = null;
    this.#sending = this.#drain().then((pauseMs) => {
      this.#sending = null;
      this.#notBefore = pauseMs === 0 ? 0 : performance.now() + pauseMs;
      if (!this.#stopped && this.#waiting) this.#arm(this.#options.settings.intervalMs);
    });
  }

  get #waiting(): boolean {
    return this.#batch !== null || this.#ring.length > 0;
  }

  /** What is there, a request at a time; what comes meanwhile waits for a whole batch. Resolves with how long the collector is to be left alone; ms. Never rejects. */
  async #drain(): Promise<number> {
    const { task } = this.#options;
    let retryAfterMs = 0;
    await task.runAsync(async () => {
      try {
        do await this.#send();
        while (!this.#stopped && this.#ring.length >= this.#batchItems);
      } catch (error) {
        if (error instanceof OtlpFailure) retryAfterMs = error.retryAfterMs;
        if (!this.#stopped) throw error;
      }
    });
    return Math.max(task.pauseMs, retryAfterMs);
  }

  /** One request. Throws when the same spans have to be sent again. */
  async #send(): Promise<void> {
    const { encode, settings, log } = this.#options;
    this.#batch ??= this.#next(encode);
    const { bytes, spans } = this.#batch;
    let answer: OtlpAnswer;
    this.#requests++;
    try {
      answer = await postSpans(settings, bytes, this.#stop.signal);
    } catch (error) {
      if (!(error instanceof OtlpFailure) || !error.lasting) throw error;
      answer = { refused: spans, message: error.message };
    }
    this.#batch = null;
    this.#sent += spans - answer.refused;
    this.#refused += answer.refused;
    if (answer.message !== '')
      log.warn({ spans, refused: answer.refused, reason: answer.message }, 'spans were refused');
  }

  #next(encode: SpanExporterOptions<T>['encode']): Batch {
    const items = this.#ring.take(this.#batchItems);
    return { bytes: encode(items), spans: items.reduce((sum, { spans }) => sum + spans, 0) };
  }
}
