import type { WatchedHealth } from '../../config/api.js';
import type { RestartSettings } from '../../core/restart-back-off.js';
import { Watched, type WatchedLog } from './watched.js';

/** Every thread and background task that a thread of the worker answers for, by name. */
export interface WatchListOptions {
  readonly restart: RestartSettings;
  readonly log: WatchedLog;
  now?(): number;
}

export interface WatchOptions {
  readonly critical: boolean;
  /** In place of the configured pauses, where a peer is waited for that is usually back within moments. */
  readonly pauses?: Pick<RestartSettings, 'firstMs' | 'longestMs'>;
}

export class WatchList {
  readonly #options: WatchListOptions;
  readonly #watched: Watched[] = [];

  constructor(options: WatchListOptions) {
    this.#options = options;
  }

  thread(name: string, options: WatchOptions): Watched {
    return this.#add('thread', name, options);
  }

  task(name: string, options: WatchOptions): Watched {
    return this.#add('task', name, options);
  }

  health(): WatchedHealth[] {
    return this.#watched.map((watched) => watched.health());
  }

  #add(kind: WatchedHealth['kind'], name: string, { critical, pauses }: WatchOptions): Watched {
    const { restart, log, now = () => performance.now() } = this.#options;
    const watched = new Watched({ name, kind, critical, restart: { ...restart, ...pauses }, log, now });
    this.#watched.push(watched);
    return watched;
  }
}
