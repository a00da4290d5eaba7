import type { WatchedHealth } from '../../config/api.js';
import { RestartBackOff, type RestartSettings } from '../../core/restart-back-off.js';

/**
 * One thread or background task: what it is called, whether the worker can do without it, how it is, and how often and why it ended. Starting it again is its owner's; here
 * each end is logged, counted and given the pause before the next start.
 */
export interface WatchedOptions {
  readonly name: string;
  readonly kind: WatchedHealth['kind'];
  /** Without it the worker does not do what it is for. */
  readonly critical: boolean;
  readonly restart: RestartSettings;
  readonly log: WatchedLog;
  /** Monotonic; ms. Greater than 0. */
  now(): number;
}

export interface WatchedLog {
  error(fields: Record<string, unknown>, message: string): void;
  warn(fields: Record<string, unknown>, message: string): void;
}

/**
 * Why something ended: it threw, left a rejection unhandled, exited, showed no beat, took longer than it may, lost its peer.
 */
export type EndCause = 'error' | 'rejection' | 'exit' | 'hang' | 'budget' | 'lost';

export class Watched {
  readonly #options: WatchedOptions;
  readonly #backOff: RestartBackOff;
  readonly #causes: Record<string, number> = {};
  #state: WatchedHealth['state'];
  #failures = 0;
  #lastError: string | null = null;

  constructor(options: WatchedOptions) {
    this.#options = options;
    this.#state = options.kind === 'task' ? 'idle' : 'starting';
    this.#backOff = new RestartBackOff(options.restart);
  }

  get name(): string {
    return this.#options.name;
  }

  running(): void {
    if (this.#state === 'running') return;
    this.#state = 'running';
    this.#backOff.started(this.#options.now());
  }

  /** Logs and counts it; returns how long to wait before it is started again; ms. */
  failed(cause: EndCause, error: unknown): number {
    const { name, kind, critical, log, now } = this.#options;
    const pauseMs = this.#backOff.failed(now());
    this.#state = 'restarting';
    this.#failures++;
    this.#causes[cause] = (this.#causes[cause] ?? 0) + 1;
    this.#lastError = error instanceof Error ? error.message : String(error);
    const say = critical ? log.error.bind(log) : log.warn.bind(log);
    say(
      { [kind]: name, cause, err: error, failures: this.#failures, pauseMs },
      `the ${kind} ${name} failed and is started again`,
    );
    return pauseMs;
  }

  /** It was told to end. */
  set(state: 'stopping' | 'stopped'): void {
    this.#state = state;
  }

  get failing(): boolean {
    return this.#state !== 'stopped' && this.#backOff.overLimit(this.#options.now());
  }

  health(): WatchedHealth {
    const { name, kind, critical } = this.#options;
    return {
      name,
      kind,
      critical,
      state: this.#state,
      failing: this.failing,
      restarts: this.#failures,
      causes: { ...this.#causes },
      lastError: this.#lastError,
    };
  }
}
