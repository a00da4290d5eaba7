import type { PushCounters } from '../metrics/metric.js';
import type { Point } from './point.js';
import { PointsRefused, type PushSink } from './sink.js';

/** How a sender tells of itself, and is told when to try again. */
export interface PushTask {
  well(): void;
  /** Logged and counted; returns the pause before the next attempt; ms. */
  failed(error: unknown): number;
}

export interface PushSenderOptions {
  readonly sink: PushSink;
  readonly task: PushTask;
  /** See `metrics.push` in the configuration. */
  readonly bufferPoints: number;
  readonly batchPoints: number;
  readonly timeoutMs: number;
  /** 0 to 1. */
  random(): number;
}

/** Part of a pause that is left to chance: workers that lost a server together are not to come back to it together. */
const JITTER = 0.5;

/**
 * Points on their way to one server. Whoever adds them never waits: they are kept in memory, at most so many, and sent in the background, in order. A server that is down or slow costs the oldest of
 * them, which are counted, and nothing else.
 */
export class PushSender {
  readonly #options: PushSenderOptions;
  readonly #waiting: Point[] = [];
  /** Under way: not in `#waiting`, and counted with it. */
  #underWay = 0;
  #sent = 0;
  #dropped = 0;
  #failures = 0;
  #pause: NodeJS.Timeout | null = null;
  #sending = false;
  #closed = false;
  #abort: AbortController | null = null;

  constructor(options: PushSenderOptions) {
    this.#options = options;
  }

  add(points: readonly Point[]): void {
    if (this.#closed) return;
    this.#waiting.push(...points);
    this.#dropOldest();
    if (!this.#sending && this.#pause === null) void this.#drain();
  }

  counters(): PushCounters {
    return {
      sink: this.#options.sink.address,
      sent: this.#sent,
      dropped: this.#dropped,
      waiting: this.#waiting.length + this.#underWay,
      failures: this.#failures,
    };
  }

  /** What is not sent yet is given up. */
  close(): void {
    this.#closed = true;
    if (this.#pause !== null) clearTimeout(this.#pause);
    this.#abort?.abort();
    this.#options.sink.close();
  }

  async #drain(): Promise<void> {
    this.#sending = true;
    while (this.#waiting.length > 0 && this.#pause === null && !this.#closed) await this.#sendBatch();
    this.#sending = false;
  }

  async #sendBatch(): Promise<void> {
    const { sink, task, batchPoints, timeoutMs } = this.#options;
    const batch = this.#waiting.splice(0, batchPoints);
    this.#underWay = batch.length;
    this.#abort = new AbortController();
    const late = setTimeout(() => this.#abort?.abort(new Error(`took longer than ${timeoutMs} ms`)), timeoutMs);
    late.unref();
    try {
      await sink.send(batch, this.#abort.signal);
      this.#sent += batch.length;
      task.well();
    } catch (error) {
      if (!this.#closed) this.#failed(batch, error);
    } finally {
      clearTimeout(late);
      this.#abort = null;
      this.#underWay = 0;
    }
  }

  #failed(batch: readonly Point[], error: unknown): void {
    const { task, random } = this.#options;
    this.#failures++;
    if (error instanceof PointsRefused) {
      this.#dropped += batch.length;
    } else {
      this.#waiting.unshift(...batch);
      this.#underWay = 0;
      this.#dropOldest();
    }
    const pauseMs = task.failed(error) * (1 - JITTER * random());
    this.#pause = setTimeout(() => {
      this.#pause = null;
      if (!this.#sending) void this.#drain();
    }, pauseMs);
    this.#pause.unref();
  }

  #dropOldest(): void {
    const tooMany = this.#waiting.length + this.#underWay - this.#options.bufferPoints;
    if (tooMany <= 0) return;
    // Those under way are older, and cannot be called back.
    this.#dropped += this.#waiting.splice(0, tooMany).length;
  }
}
