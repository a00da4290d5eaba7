import { pauseAfter } from '../../core/creation/back-off.js';
import type { Store } from '../../store/store.js';
import type { Log } from '../../telemetry/logs/log.js';

/**
 * Writes what has happened and cannot be refused any more, as the end of an invocation: again and again until the store takes it, or the worker ends. Whoever waits tells
 * nobody of it before.
 */
export class Writer {
  readonly #store: Store;
  readonly #log: Log;
  readonly #open = new Set<Promise<boolean>>();
  readonly #sleepers = new Set<() => void>();
  #closed = false;

  constructor(store: Store, log: Log) {
    this.#store = store;
    this.#log = log;
  }

  /** True once `changes` is on the disk; false when the worker ended before that. Never rejects. */
  write(changes: () => void): Promise<boolean> {
    const written = this.#write(changes);
    this.#open.add(written);
    void written.then(() => this.#open.delete(written));
    return written;
  }

  /** For what a crash may undo. */
  note(changes: () => void): void {
    try {
      this.#store.atomically(changes);
    } catch (error) {
      this.#log.warn({ err: error }, 'progress of an asynchronous invocation could not be noted');
    }
  }

  /** Resolves once nothing is being written; what the store refuses now is given up. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const wake of this.#sleepers) wake();
    await Promise.all(this.#open);
  }

  async #write(changes: () => void): Promise<boolean> {
    for (let failures = 0; ; failures++) {
      try {
        // Put again each time: after a failure nobody knows what of it is there.
        this.#store.atomically(changes);
        await this.#store.durable();
        return true;
      } catch (error) {
        if (failures === 0) this.#log.error({ err: error }, 'an end cannot be stored; it is tried until it can');
        if (this.#closed) return false;
        await this.#pause(pauseAfter(failures, FIRST_PAUSE_MS, LONGEST_PAUSE_MS));
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#sleepers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#sleepers.add(done);
    });
  }
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 2000;
