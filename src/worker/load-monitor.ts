import { loadavg } from 'node:os';
import type { Engine } from '../core/engine.js';
import type { BackgroundTask } from './supervision/background-task.js';

export interface LoadMonitorOptions {
  readonly enabled: boolean;
  readonly periodMs: number;
  readonly cores: number;
  readonly task: BackgroundTask;
}

/** Tells the engine of the machine's load (1-minute average per core) now and then, for CPU slots that follow it. Without that option there is no timer. */
export class LoadMonitor {
  readonly #timer: NodeJS.Timeout | null;

  constructor(engine: Engine, { enabled, periodMs, cores, task }: LoadMonitorOptions) {
    if (!enabled) {
      this.#timer = null;
      return;
    }
    this.#timer = setInterval(() => task.run(() => engine.cpuLoad((loadavg()[0] as number) / cores)), periodMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}
