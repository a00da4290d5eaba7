import type { WatchedHealth, WorkerHealth } from '../../config/api.js';
import { PendingReplies } from '../pending-replies.js';
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
  readonly #replies: PendingReplies<WorkerHealth>;

  constructor(options: ShardHealthOptions) {
    this.#options = options;
    this.#replies = new PendingReplies(options.answerMs);
  }

  /** Never rejects. */
  async read(): Promise<WorkerHealth> {
    let asked = false;
    try {
      return await this.#replies.ask((id) => {
        asked = this.#options.ask(id);
        if (!asked) this.#replies.fail(id, new Error('there is none to ask'));
      });
    } catch {
      return this.#own(asked ? this.#options.answerMs : null);
    }
  }

  answered(id: number, health: WorkerHealth): void {
    this.#replies.answer(id, health);
  }

  #own(silentMs: number | null): WorkerHealth {
    const { threads, tasks, notes } = watchedReport(this.#options.watched());
    const state = threads.map(({ name, state }) => `${name} is ${state}`).join(', ');
    const why =
      silentMs === null ? `the shard does not run: ${state}` : `the shard did not answer within ${silentMs} ms`;
    return { healthy: false, notes: [why, ...notes], backends: [], threads, tasks };
  }
}
