import type { WorkerConfig } from '../config/schema.js';
import type { Engine } from '../core/engine.js';
import type { Log } from '../telemetry/logs/log.js';
import type { PressureReading, PressureSource } from './host-pressure.js';
import type { BackgroundTask } from './supervision/background-task.js';

/**
 * Evicts idle containers while the host is short of memory: one at the first sight of it, twice as many at each further look, until it no longer is. Short and no longer short
 * have thresholds of their own, so that it does not go back and forth. Without anything idle, or with nothing to watch for, there is no timer.
 */

export interface PressureMonitorOptions {
  readonly engine: Pick<Engine, 'idleContainers' | 'memoryPressure'>;
  readonly source: PressureSource;
  readonly settings: WorkerConfig['memory']['pressure'];
  /** µs */
  readonly now: () => number;
  readonly task: Pick<BackgroundTask, 'run' | 'pauseMs'>;
  readonly log: Pick<Log, 'warn' | 'info'>;
}

const MOST_AT_ONCE = 64;

export class PressureMonitor {
  readonly #options: PressureMonitorOptions;
  #settings: PressureMonitorOptions['settings'];
  #watching: boolean;
  #timer: NodeJS.Timeout | null = null;
  #stopped = false;
  #short = false;
  #next = 1;
  #last: { readonly at: number; readonly stalledUs: number } | null = null;

  constructor(options: PressureMonitorOptions) {
    this.#options = options;
    this.#settings = options.settings;
    this.#watching = options.settings.watch === 'always';
  }

  /** Other settings from now on. */
  configure(settings: PressureMonitorOptions['settings'], someUnlimited: boolean): void {
    this.#settings = settings;
    this.#watching = settings.watch === 'always' || (settings.watch === 'auto' && someUnlimited);
    // Whether it was short by other thresholds says nothing now.
    this.#short = false;
    this.#next = 1;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.arm();
  }

  get short(): boolean {
    return this.#short;
  }

  get armed(): boolean {
    return this.#timer !== null;
  }

  /** To be told whenever functions come and go: whether containers of one may use as much memory as they like. */
  unlimitedFunctions(some: boolean): void {
    if (this.#settings.watch === 'auto') this.#watching = some;
    this.arm();
  }

  /** To be called when a container may have become idle. */
  arm(): void {
    if (this.#timer !== null || !this.#watching || this.#stopped || this.#options.engine.idleContainers === 0) return;
    this.#timer = setTimeout(() => this.#checkAndArm(), this.#settings.checkMs + this.#options.task.pauseMs);
    this.#timer.unref();
  }

  #checkAndArm(): void {
    this.#options.task.run(() => this.check());
    // A look that failed has not done it.
    this.arm();
  }

  /** One look, and what follows from it. */
  check(): void {
    this.#timer = null;
    const { engine, source, log } = this.#options;
    const reading = source.read();
    const stalledPercent = this.#stalled(reading);
    this.#judge(stalledPercent, reading.availablePercent);
    if (this.#short) {
      const evicted = engine.memoryPressure(this.#next);
      this.#next = Math.min(2 * this.#next, MOST_AT_ONCE);
      const { availablePercent } = reading;
      if (evicted > 0) log.warn({ evicted, stalledPercent, availablePercent }, 'the host is short of memory');
    }
    this.arm();
    // Stalls are counted between two looks; what happens while nobody looks is not the next one's.
    if (this.#timer === null) this.#last = null;
  }

  stop(): void {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #judge(stalledPercent: number, availablePercent: number): void {
    const { stallHigh, stallLow, availableLow, availableHigh } = this.#settings;
    if (!this.#short) {
      this.#short = stalledPercent >= stallHigh || availablePercent < availableLow;
      this.#next = 1;
    } else if (stalledPercent <= stallLow && availablePercent >= availableHigh) {
      this.#short = false;
      this.#options.log.info({ stalledPercent, availablePercent }, 'the host is no longer short of memory');
    }
  }

  /** Since the last look; percent of the time, 0 at the first. */
  #stalled({ stalledUs }: PressureReading): number {
    const at = this.#options.now();
    const last = this.#last;
    this.#last = stalledUs === null ? null : { at, stalledUs };
    if (last === null || stalledUs === null || at <= last.at) return 0;
    return (100 * (stalledUs - last.stalledUs)) / (at - last.at);
  }
}
