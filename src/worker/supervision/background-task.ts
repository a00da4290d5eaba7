import type { Watched } from './watched.js';

/**
 * Work that is done now and then in the background of a thread. What it throws ends neither the thread nor the work: it is logged and counted, and the next time comes
 * later. Not promised: that work which never ends is noticed, since nothing on the same thread can end it.
 */
export class BackgroundTask {
  readonly #watched: Watched;
  #pauseMs = 0;

  constructor(watched: Watched) {
    this.#watched = watched;
    watched.running();
  }

  /** To be added to the usual time before it is done again; ms, 0 = all is well. */
  get pauseMs(): number {
    return this.#pauseMs;
  }

  /** Does it. For work that waits for nothing. */
  run(work: () => void): void {
    try {
      work();
      this.#well();
    } catch (error) {
      this.#failed(error);
    }
  }

  /** Does it. Never rejects. */
  async runAsync(work: () => Promise<void>): Promise<void> {
    try {
      await work();
      this.#well();
    } catch (error) {
      this.#failed(error);
    }
  }

  #well(): void {
    this.#pauseMs = 0;
    this.#watched.running();
  }

  #failed(error: unknown): void {
    this.#pauseMs = this.#watched.failed('error', error);
  }
}
