import { Piscina } from 'piscina';
import type { Lifecycle, LifecycleTaskName, LifecycleTasks } from '../../backends/lifecycle.js';
import { lifecycleTasks } from '../../backends/lifecycle-tasks.js';
import { threadFile } from '../thread-file.js';
import { fromAnswer, type TaskAnswer, toAnswer } from './answer.js';

/**
 * The threads that do the blocking part of creating and destroying containers, so that a shard never does. `threads: false` runs the same
 * tasks on the calling thread: for tests, simulation and small embedders.
 */
export interface LifecyclePoolOptions {
  readonly threads: boolean;
  /** Most threads (`lifecycleThreads`). */
  readonly size: number;
}

export interface LifecycleCounters {
  tasks: number;
  failures: number;
  waiting: number;
  threads: number;
}

export class LifecyclePool implements Lifecycle {
  readonly #pool: Piscina | null;
  #tasks = 0;
  #failures = 0;

  constructor(options: LifecyclePoolOptions) {
    this.#pool = options.threads ? new Piscina(piscinaOptions(options.size)) : null;
  }

  async run<Name extends LifecycleTaskName>(
    name: Name,
    request: Parameters<LifecycleTasks[Name]>[0],
  ): Promise<Awaited<ReturnType<LifecycleTasks[Name]>>> {
    this.#tasks++;
    const task = lifecycleTasks[name] as (request: unknown) => unknown;
    try {
      const answer =
        this.#pool === null
          ? await toAnswer(async () => task(request))
          : ((await this.#pool.run({ name, request }, { name: 'runTask' })) as TaskAnswer);
      return fromAnswer(answer) as Awaited<ReturnType<LifecycleTasks[Name]>>;
    } catch (error) {
      this.#failures++;
      throw error;
    }
  }

  counters(): LifecycleCounters {
    return {
      tasks: this.#tasks,
      failures: this.#failures,
      waiting: this.#pool?.queueSize ?? 0,
      threads: this.#pool?.threads.length ?? 0,
    };
  }

  /** Ends the threads after their running tasks; tasks that still wait are rejected. */
  async close(): Promise<void> {
    await this.#pool?.close({ force: true });
  }
}

function piscinaOptions(size: number): ConstructorParameters<typeof Piscina>[0] {
  return {
    ...threadFile('./tasks', import.meta.url),
    // The first start of a thread costs more than any task: one is always there.
    minThreads: 1,
    maxThreads: size,
    idleTimeout: 30_000,
    concurrentTasksPerWorker: 8,
  };
}
