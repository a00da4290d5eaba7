import { loadavg } from 'node:os';
import type { Engine } from '../core/engine.js';

/** Tells the engine of the machine's load (1-minute average per core) now and then, for CPU slots that follow it. Without that option there is no timer. */
export class LoadMonitor {
  readonly #timer: NodeJS.Timeout | null;

  constructor(engine: Engine, options: { enabled: boolean; periodMs: number; cores: number }) {
    if (!options.enabled) {
      this.#timer = null;
      return;
    }
    this.#timer = setInterval(() => engine.cpuLoad((loadavg()[0] as number) / options.cores), options.periodMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
  }
}
