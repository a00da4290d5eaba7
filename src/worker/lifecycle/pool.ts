import { setTimeout as sleep } from 'node:timers/promises';
import { Piscina } from 'piscina';
import type { Lifecycle, LifecycleTaskName, LifecycleTasks } from '../../backends/lifecycle.js';
import { lifecycleTasks } from '../../backends/lifecycle-tasks.js';
import { IluvatarError } from '../../core/errors.js';
import type { Watched } from '../supervision/watched.js';
import { type ThreadFile, threadFile } from '../thread-file.js';
import { fromAnswer, toAnswer } from './answer.js';
import { PoolWatch } from './pool-watch.js';
import type { TaskCall, TaskEnd } from './tasks.js';

/**
 * The threads that do the blocking part of creating and destroying containers, so that a shard never does. `threads: false` runs the same
 * tasks on the calling thread: for tests, simulation and small embedders. A thread that ends or hangs is replaced, and the callers of its tasks are told.
 */
export interface LifecyclePoolOptions {
  readonly threads: boolean;
  /** Most threads (`lifecycleThreads`). */
  readonly size: number;
  /** Told of threads that end; null or absent = nobody is. */
  readonly watched?: Watched | null;
  /** A thread with work and without a beat for so long is replaced; ms. */
  readonly missedBeatMs?: number;
  /** Longest time for one task; ms. */
  readonly taskMs?: number;
  /** What the threads run; their own tasks unless a test puts faulty ones in their place. */
  readonly file?: ThreadFile;
}

export interface LifecycleCounters {
  tasks: number;
  failures: number;
  waiting: number;
  threads: number;
}

/** Doing them twice is as good as once. When their thread ends under them they are done again: what they would have removed must not stay. */
const REPEATABLE: ReadonlySet<LifecycleTaskName> = new Set([
  'removeCgroups',
  'awaitProcesses',
  'cgroupMemory',
  'processMemoryBytes',
  'sweep',
  'removeFolders',
]);
/** A task that ends its thread must not end one after the other. */
const MOST_ATTEMPTS = 3;
const MISSED_BEAT_MS = 60_000;
const TASK_MS = 1_800_000;

export class LifecyclePool implements Lifecycle {
  readonly #pool: Piscina | null;
  readonly #watch: PoolWatch | null;
  readonly #taskMs: number;
  #tasks = 0;
  #failures = 0;
  #closed = false;

  constructor(options: LifecyclePoolOptions) {
    const { threads, size, watched = null, missedBeatMs = MISSED_BEAT_MS, taskMs = TASK_MS, file } = options;
    this.#taskMs = taskMs;
    if (!threads) {
      this.#pool = this.#watch = null;
      watched?.running();
      return;
    }
    this.#watch = new PoolWatch({ watched, missedBeatMs, threads: size });
    this.#pool = new Piscina({ ...piscinaOptions(size, file), workerData: { slots: this.#watch.memory } });
    this.#watch.follow(this.#pool);
  }

  async run<Name extends LifecycleTaskName>(
    name: Name,
    request: Parameters<LifecycleTasks[Name]>[0],
  ): Promise<Awaited<ReturnType<LifecycleTasks[Name]>>> {
    this.#tasks++;
    const task = lifecycleTasks[name] as (request: unknown) => unknown;
    try {
      const answer =
        this.#pool === null || this.#watch === null
          ? await toAnswer(async () => task(request))
          : (await this.#onThread(this.#pool, this.#watch, { name, request })).answer;
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
    this.#closed = true;
    this.#watch?.stop();
    await this.#pool?.close({ force: true });
  }

  async #onThread(pool: Piscina, watch: PoolWatch, task: Pick<TaskCall, 'name' | 'request'>): Promise<TaskEnd> {
    for (let attempt = 1; ; attempt++) {
      // After a thread has ended: what ended it may end the next one as quickly.
      if (watch.pauseMs > 0 && !this.#closed) await sleep(watch.pauseMs);
      watch.begun();
      const begun = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
      try {
        const call: TaskCall = { ...task, budgetMs: this.#taskMs, begun };
        const end = (await pool.run(call, { name: 'runTask' })) as TaskEnd;
        if (end.overran !== null) watch.overran(end.overran, task.name);
        else watch.well();
        return end;
      } catch (error) {
        // A task's own errors are answers: what comes here is the end of its thread, or of the pool.
        const repeatable = REPEATABLE.has(task.name) || Atomics.load(new Int32Array(begun), 0) === 0;
        if (!this.#closed && attempt < MOST_ATTEMPTS && repeatable) continue;
        const message = `${task.name} was cut short: its thread ended (${(error as Error).message})`;
        throw new IluvatarError('unavailable', this.#closed ? 'the worker is stopping' : message);
      } finally {
        watch.ended();
      }
    }
  }
}

function piscinaOptions(size: number, file?: ThreadFile): ConstructorParameters<typeof Piscina>[0] {
  return {
    ...(file ?? threadFile('worker/lifecycle/tasks')),
    // The first start of a thread costs more than any task: one is always there.
    minThreads: 1,
    maxThreads: size,
    idleTimeout: 30_000,
    concurrentTasksPerWorker: 8,
  };
}
