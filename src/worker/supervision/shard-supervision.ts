import type { WatchedHealth } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { type Log, logFailure } from '../../telemetry/logs/log.js';
import { BackgroundTask } from './background-task.js';
import { DescriptorWatch, type KnownDescriptors } from './descriptor-watch.js';
import { WatchList, type WatchOptions } from './watch-list.js';
import type { Watched } from './watched.js';
import { type WatchedReport, watchedReport } from './watched-report.js';

/** What one shard answers for: its background tasks, its life-cycle threads, its descriptors; beside it, what the supervisor has told of its own threads. */
export interface ShardSupervisionOptions {
  readonly config: WorkerConfig;
  readonly log: Log;
  /** See `DescriptorWatchOptions.known`. */
  known(): KnownDescriptors | null;
}

export class ShardSupervision {
  readonly #watches: WatchList;
  readonly #descriptors: DescriptorWatch;
  readonly #log: Log;
  /** Of the main thread. */
  threads: readonly WatchedHealth[] = [];

  constructor({ config, log, known }: ShardSupervisionOptions) {
    const { restart, descriptors } = config.supervision;
    this.#log = log;
    this.#watches = new WatchList({ restart, log });
    this.#descriptors = new DescriptorWatch({ ...descriptors, log, known });
  }

  /** One that the shard cannot do without. */
  thread(name: string): Watched {
    return this.#watches.thread(name, { critical: true });
  }

  task(name: string, pauses?: WatchOptions['pauses']): Watched {
    return this.#watches.task(name, { critical: false, ...(pauses === undefined ? {} : { pauses }) });
  }

  background(name: string): BackgroundTask {
    return new BackgroundTask(this.task(name));
  }

  /** To be called when something has run. */
  arm(): void {
    this.#descriptors.arm();
  }

  stop(): void {
    this.#descriptors.stop();
  }

  all(): WatchedHealth[] {
    return [...this.threads, ...this.#watches.health()];
  }

  report(): WatchedReport {
    const report = watchedReport(this.all());
    const failure = logFailure(this.#log);
    const notes = [
      this.#descriptors.note,
      failure === null ? null : `the log cannot be written (${failure}); its lines are lost`,
    ].filter((note) => note !== null);
    return { ...report, notes: [...report.notes, ...notes] };
  }
}
