import { setTimeout as sleep } from 'node:timers/promises';
import type { WorkerStatus } from '../../config/api.js';
import type { SeriesRow } from '../../results/series-row.js';
import type { RowSink } from '../../tables/sink.js';
import { workerPoints } from '../push/worker-points.js';

/**
 * Series of a run where no server keeps any: asks each worker for its status every second, and writes what it would push (`worker_load.…`, `worker_state.…`), stamped by the generator's own clock, so that no
 * offset is to be known.
 */
export interface SeriesRecorderOptions {
  readonly workers: readonly WorkerReader[];
  /** Ended by whoever made it. */
  readonly sink: RowSink<SeriesRow>;
  /** µs since the beginning of the run; negative before it, when nothing is written. */
  now(): number;
  readonly periodMs?: number;
}

export interface WorkerReader {
  /** Rejects when the worker does not answer: then there is a gap. */
  status(): Promise<WorkerStatus>;
}

const PERIOD_MS = 1000;
const LAST_ANSWER_MS = 2000;

export class SeriesRecorder {
  /** Statuses that could not be had. */
  missed = 0;
  /** Rows written. */
  rows = 0;
  readonly #options: SeriesRecorderOptions;
  readonly #timer: NodeJS.Timeout;
  readonly #asked = new Set<WorkerReader>();
  #open: Promise<unknown> = Promise.resolve();
  #failure: unknown = null;
  #stopped = false;

  constructor(options: SeriesRecorderOptions) {
    this.#options = options;
    this.#timer = setInterval(() => this.#sample(), options.periodMs ?? PERIOD_MS);
    this.#timer.unref();
    this.#sample();
  }

  /** Resolves when nothing more is written; a worker that does not answer is not waited for. Rejects when something could not be written. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await Promise.race([this.#open, sleep(LAST_ANSWER_MS, undefined, { ref: false })]);
    this.#stopped = true;
    if (this.#failure !== null) throw this.#failure;
  }

  #sample(): void {
    for (const worker of this.#options.workers) {
      // One that has not answered yet is not asked again, or a slow one would be asked ever more.
      if (this.#asked.has(worker)) this.missed++;
      else this.#open = Promise.all([this.#open, this.#read(worker)]);
    }
  }

  async #read(worker: WorkerReader): Promise<void> {
    this.#asked.add(worker);
    const beforeUs = this.#options.now();
    try {
      const status = await worker.status();
      // It is of some moment between question and answer.
      this.#write(status, Math.round((beforeUs + this.#options.now()) / 2));
    } catch {
      this.missed++;
    } finally {
      this.#asked.delete(worker);
    }
  }

  #write(status: WorkerStatus, timeUs: number): void {
    if (timeUs < 0 || this.#failure !== null || this.#stopped) return;
    const gpuTokens = status.gpus.filter(({ present }) => present).length;
    const sample = { status, gpuTokens, functions: [], tags: {}, timeMs: 0 };
    try {
      for (const { measurement, fields } of workerPoints(sample)) {
        for (const { name, value } of fields) {
          if (!Number.isFinite(value)) continue;
          this.#options.sink.row({ timeUs, worker: status.name, series: `${measurement}.${name}`, value });
          this.rows++;
        }
      }
    } catch (error) {
      // A full disk: what is there stays, and the run goes on.
      this.#failure = error;
    }
  }
}
