import type { ReloadReport, WorkerStatus } from '../../config/api.js';
import type { ServiceManager } from './service-manager.js';

/**
 * A worker's life as its service manager hears of it: ready, one line of what it does, reloads, and its end. The manager's watchdog is fed only while the worker's threads
 * are alive: a worker that hangs and cannot help itself is ended and started again by the manager.
 */

/** What is told of; a `Worker` is one. */
export interface ReportedWorker {
  /** Its threads live, or are being brought back in good time. */
  readonly alive: boolean;
  status(): Promise<WorkerStatus>;
}

const STATUS_PERIOD_MS = 5000;
const STOPPING_PERIOD_MS = 1000;
/** Each word of a stop that goes on buys so much time: a slow machine may miss several. */
const STOPPING_EXTENSION_MS = 30_000;

export class ServiceReports {
  readonly #manager: ServiceManager;
  readonly #complain: (line: string) => void;
  readonly #timers = new Set<NodeJS.Timeout>();
  #worker: ReportedWorker | null = null;
  #lastStatus = '';
  #asking = false;
  #wasAlive = true;

  constructor(manager: ServiceManager, complain: (line: string) => void) {
    this.#manager = manager;
    this.#complain = complain;
  }

  /** The worker listens, and its backends have been started. */
  started(worker: ReportedWorker): void {
    if (!this.#manager.present) return;
    this.#worker = worker;
    this.#manager.ready('running');
    const { watchdogMs } = this.#manager;
    // Half of it, as the manager asks for.
    if (watchdogMs > 0) this.#every(Math.max(1, watchdogMs / 2), () => this.#feedWatchdog(worker));
    this.#every(STATUS_PERIOD_MS, () => void this.#tellStatus(worker));
    void this.#tellStatus(worker);
  }

  reloading(): void {
    this.#manager.reloading('reading the configuration again');
  }

  /** Also after a reload that was refused: the worker runs on, and the manager has no word for a failure. */
  reloaded(report: ReloadReport | null): void {
    const told = report === null ? 'running; the last reload was refused (see the log)' : 'running';
    this.#lastStatus = told;
    this.#manager.ready(told);
  }

  /** Reports that it is stopping until `stop` has ended. */
  async stopping(stop: () => Promise<void>): Promise<void> {
    const tell = (): void => this.#manager.stopping('finishing what runs', STOPPING_EXTENSION_MS);
    this.#worker = null;
    tell();
    if (this.#manager.present) this.#every(STOPPING_PERIOD_MS, tell);
    try {
      await stop();
    } finally {
      this.#stopTimers();
    }
  }

  /** Another process reports from now on. */
  ended(): void {
    this.#worker = null;
    this.#stopTimers();
  }

  #stopTimers(): void {
    for (const timer of this.#timers) clearInterval(timer);
    this.#timers.clear();
  }

  #every(ms: number, act: () => void): void {
    this.#timers.add(setInterval(act, ms));
  }

  #feedWatchdog(worker: ReportedWorker): void {
    const { alive } = worker;
    if (alive) this.#manager.alive();
    else if (this.#wasAlive) {
      this.#complain('a thread hangs and could not be started again: the watchdog is left to end this process');
    }
    this.#wasAlive = alive;
  }

  async #tellStatus(worker: ReportedWorker): Promise<void> {
    // A shard that hangs does not answer; asking once more would only heap up questions.
    if (this.#asking) return;
    this.#asking = true;
    try {
      const text = statusText(await worker.status());
      if (this.#worker === null || text === this.#lastStatus) return;
      this.#lastStatus = text;
      this.#manager.status(text);
    } catch {
      // It is stopping, or its shard is being started again; the next look tells.
    } finally {
      this.#asking = false;
    }
  }
}

export function statusText({ state, functions, memory, queue }: WorkerStatus): string {
  const { runningContainers, cachedContainers, totalMb, budgetMb } = memory;
  const containers = `${runningContainers} containers busy, ${cachedContainers} idle`;
  return `${state}: ${functions} functions, ${containers}, ${queue.length} queued, ${totalMb} of ${budgetMb} MiB reserved`;
}
