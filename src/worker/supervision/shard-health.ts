import type { WatchedHealth, WorkerHealth } from '../../config/api.js';
import { watchedReport } from './watched-report.js';

/**
 * Health as the main thread tells it: the shard's own answer where that comes in time, else what is known without it. A shard that is asked and says nothing is not well,
 * long before it counts as hung.
 */
export interface ShardHealthOptions {
  /** How long an answer is waited for; ms. */
  readonly answerMs: number;
  /** Asks the shard; false = there is none to ask. */
  ask(id: number): boolean;
  /** Of the main thread. */
  watched(): readonly WatchedHealth[];
}

export class ShardHealth {
  readonly #options: ShardHealthOptions;
  readonly #waiting = new Map<number, (health: WorkerHealth) => void>();
  #next = 1;

  constructor(options: ShardHealthOptions) {
    this.#options = options;
  }

  /** Never rejects. */
  read(): Promise<WorkerHealth> {
    const id = this.#next++;
    if (!this.#options.ask(id)) return Promise.resolve(this.#own(null));
    return new Promise((resolve) => {
      const late = setTimeout(() => {
        this.#waiting.delete(id);
        resolve(this.#own(this.#options.answerMs));
      }, this.#options.answerMs);
      this.#waiting.set(id, (health) => {
        clearTimeout(late);
        this.#waiting.delete(id);
        resolve(health);
      });
    });
  }

  answered(id: number, health: WorkerHealth): void {
    this.#waiting.get(id)?.(health);
  }

  #own(silentMs: number | null): WorkerHealth {
    const { threads, tasks, notes } = watchedReport(this.#options.watched());
    const state = threads.map(({ name, state }) => `${name} is ${state}`).join(', ');
    const why =
      silentMs === null ? `the shard does not run: ${state}` : `the shard did not answer within ${silentMs} ms`;
    return { healthy: false, notes: [why, ...notes], backends: [], threads, tasks };
  }
}
