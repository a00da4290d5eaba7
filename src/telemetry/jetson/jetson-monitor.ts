import type { JetsonStatus } from '../../config/jetson-api.js';
import type { JetsonBoard } from './board.js';
import type { JetsonReading } from './jetson-reading.js';
import type { JetsonListener, JetsonSource } from './jetson-source.js';
import { Smoothed } from './smoothed.js';
import type { Throttling } from './throttling.js';

/**
 * What is known of a board at this moment, and how old that is. Readings come from a source, as long as it gives any; the monitor smooths them, notices when they stop, looks whether the board holds
 * itself back, and tells whoever acts on it. It decides nothing, waits for nothing, and throws nothing.
 */
export interface JetsonMonitorOptions {
  readonly board: JetsonBoard | null;
  readonly source: JetsonSource;
  /** Null = nobody can say. */
  readonly throttling: Throttling | null;
  readonly intervalMs: number;
  /** Weight of a new reading. */
  readonly smoothing: number;
  readonly staleMs: number;
  readonly events: JetsonMonitorEvents;
}

export interface JetsonMonitorEvents extends Pick<JetsonListener, 'failed'> {
  /** The GPU's, smoothed; percent. */
  utilization(percent: number): void;
  /** At each interval without one that is fresh. */
  unknown(): void;
  /** It has become stale (with its age), or is known again (null). */
  stale(ageMs: number | null): void;
  /** What holds the board back has changed; empty = nothing any more. */
  throttled(causes: readonly string[]): void;
  /** Every reading, as it came. */
  reading?(reading: JetsonReading): void;
  line?(line: string, atUs: number): void;
}

export class JetsonMonitor {
  readonly #options: JetsonMonitorOptions;
  readonly #gpu: Smoothed;
  readonly #usedMb: Smoothed;
  readonly #totalMw: Smoothed;
  #freqMhz: number | null = null;
  #totalMb: number | null = null;
  #estimated = false;
  #rails: JetsonReading['rails'] = [];
  #temperatures: JetsonReading['temperatures'] = [];
  #temperaturesUs = Number.NEGATIVE_INFINITY;
  #throttledBy: readonly string[] = [];
  #startedUs = 0;
  #stale = false;
  #losses = 0;
  #timer: NodeJS.Timeout | null = null;
  #looking: Promise<void> | null = null;

  constructor(options: JetsonMonitorOptions) {
    const { smoothing, staleMs } = options;
    this.#options = options;
    this.#gpu = new Smoothed(smoothing, 1000 * staleMs);
    this.#usedMb = new Smoothed(smoothing, 1000 * staleMs);
    this.#totalMw = new Smoothed(smoothing, 1000 * staleMs);
  }

  get stale(): boolean {
    return this.#stale;
  }

  start(): void {
    const { source, events, intervalMs } = this.#options;
    this.#startedUs = nowUs();
    this.#timer = setInterval(() => this.#tick(), intervalMs);
    this.#timer.unref();
    source.start({
      reading: (reading) => this.#take(reading),
      failed: (cause, message) => events.failed(cause, message),
      ...(events.line === undefined ? {} : { line: events.line.bind(events) }),
    });
  }

  /** Resolves when nothing of its source is left. */
  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    await this.#options.source.stop();
    await this.#looking;
  }

  status(): JetsonStatus {
    const { board, source, throttling } = this.#options;
    const now = nowUs();
    const age = (ageUs: number): number | null => (Number.isFinite(ageUs) ? Math.max(0, ageUs) / 1000 : null);
    return {
      board,
      source: source.name,
      stale: this.#stale,
      gpu: { utilizationPercent: this.#gpu.value, freqMhz: this.#freqMhz, ageMs: age(this.#gpu.ageUs(now)) },
      memory: { usedMb: this.#usedMb.value, totalMb: this.#totalMb, ageMs: age(this.#usedMb.ageUs(now)) },
      power: {
        totalMw: this.#totalMw.value,
        estimated: this.#estimated,
        rails: [...this.#rails],
        ageMs: age(this.#totalMw.ageUs(now)),
      },
      temperatures: [...this.#temperatures],
      temperaturesAgeMs: age(now - this.#temperaturesUs),
      throttledBy: [...this.#throttledBy],
      counters: { ...source.counters, overCurrentEvents: throttling?.events ?? 0, losses: this.#losses },
    };
  }

  #take(reading: JetsonReading): void {
    const { events } = this.#options;
    const { atUs, gpu, memory, totalPower, rails, temperatures } = reading;
    if (memory !== null) {
      this.#usedMb.add(memory.usedMb, atUs);
      this.#totalMb = memory.totalMb;
    }
    if (totalPower !== null) {
      this.#totalMw.add(totalPower.powerMw, atUs);
      this.#estimated = totalPower.estimated;
    }
    if (rails.length > 0) this.#rails = rails;
    if (temperatures.length > 0) {
      this.#temperatures = temperatures;
      this.#temperaturesUs = atUs;
    }
    events.reading?.(reading);
    if (gpu.utilizationPercent === null) return;
    this.#gpu.add(gpu.utilizationPercent, atUs);
    this.#freqMhz = gpu.freqMhz;
    if (this.#stale) {
      this.#stale = false;
      events.stale(null);
    }
    events.utilization(this.#gpu.value as number);
  }

  #tick(): void {
    const { events, staleMs, throttling } = this.#options;
    const ageUs = Math.min(this.#gpu.ageUs(nowUs()), nowUs() - this.#startedUs);
    if (ageUs > 1000 * staleMs) {
      if (!this.#stale) {
        this.#stale = true;
        this.#losses++;
        events.stale(ageUs / 1000);
      }
      events.unknown();
    }
    // A sensor may take longer than an interval: it is not asked twice at once.
    if (throttling !== null && this.#looking === null) {
      this.#looking = this.#look(throttling).finally(() => {
        this.#looking = null;
      });
    }
  }

  async #look(throttling: Throttling): Promise<void> {
    const causes = await throttling.read();
    const changed = causes.join() !== this.#throttledBy.join();
    this.#throttledBy = causes;
    if (changed && this.#timer !== null) this.#options.events.throttled(causes);
  }
}

function nowUs(): number {
  return performance.now() * 1000;
}
