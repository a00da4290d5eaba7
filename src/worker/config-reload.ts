import { isDeepStrictEqual } from 'node:util';
import type { ReloadReport } from '../config/api.js';
import { configFields } from '../config/fields.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { Log } from '../telemetry/logs/log.js';
import { STABLE_MESSAGES } from '../telemetry/logs/messages.js';

/**
 * Reads the configuration again and puts what can change at once into force. All or nothing: what is refused, by the schema or by a part of the worker that cannot
 * take it, leaves the worker as it was.
 */

/** Told of every reload, whoever asked for it. */
export interface ReloadObserver {
  reloading(): void;
  /** null = it was refused. */
  reloaded(report: ReloadReport | null): void;
}

export interface ConfigReloadOptions {
  /** In force at first. */
  config: WorkerConfig;
  /** Null: whoever started the worker gave it values, and nothing to read again. */
  reread: (() => WorkerConfig) | null;
  /** Brings a configuration that differs in live options only into force. Rejects when it cannot, with nothing changed. */
  apply(config: WorkerConfig): Promise<void>;
  /** Opens the log file again, after a rotation has moved it away. Throws system errors. */
  reopenLog(): void;
  observer: ReloadObserver | null;
  log: Pick<Log, 'info' | 'warn' | 'error'>;
}

export class ConfigReload {
  readonly #options: ConfigReloadOptions;
  #config: WorkerConfig;
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ConfigReloadOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** In force: what it began with, and the live options of what was read since. */
  get config(): WorkerConfig {
    return this.#config;
  }

  reopenLog(): void {
    this.#options.reopenLog();
  }

  /** One after the other. Rejects with `invalid` for a configuration that is refused, and `unavailable` where there is nothing to read. */
  reload(): Promise<ReloadReport> {
    const next = this.#last.then(() => this.#reload());
    this.#last = next.catch(() => undefined);
    return next;
  }

  async #reload(): Promise<ReloadReport> {
    const { reread, apply, observer, log } = this.#options;
    this.#rotateLog();
    if (reread === null) throw new IluvatarError('unavailable', 'this worker was started without a configuration file');
    observer?.reloading();
    let report: ReloadReport | null = null;
    try {
      const wanted = reread();
      const difference = compare(this.#config, wanted);
      const config = withLive(this.#config, wanted);
      await apply(config);
      this.#config = config;
      report = difference;
      log.info({ changed: report.changed }, STABLE_MESSAGES.configurationRead);
      if (report.restart.length > 0) log.warn({ options: report.restart }, 'options change with a restart only');
      return report;
    } catch (error) {
      log.error({ err: error }, 'the configuration could not be read again; the worker goes on with what it has');
      throw error;
    } finally {
      observer?.reloaded(report);
    }
  }

  /** Before anything else and whatever becomes of the rest: who has moved the old file away counts on it. */
  #rotateLog(): void {
    try {
      this.#options.reopenLog();
    } catch (error) {
      this.#options.log.error({ err: error }, 'the log file could not be opened again');
    }
  }
}

/** Which options differ, by whether they change at once. */
export function compare(now: WorkerConfig, wanted: WorkerConfig): ReloadReport {
  const different = configFields().filter(({ path }) => !isDeepStrictEqual(valueAt(now, path), valueAt(wanted, path)));
  const keys = (live: boolean): string[] => different.filter((field) => field.live === live).map(({ key }) => key);
  return { changed: keys(true), restart: keys(false) };
}

function withLive(now: WorkerConfig, wanted: WorkerConfig): WorkerConfig {
  const config = structuredClone(now);
  for (const { live, path } of configFields()) {
    if (!live) continue;
    const section = valueAt(config, path.slice(0, -1)) as Record<string, unknown>;
    section[path.at(-1) as string] = structuredClone(valueAt(wanted, path));
  }
  return config;
}

function valueAt(root: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((at, part) => (at as Record<string, unknown>)[part], root);
}
