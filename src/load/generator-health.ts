import type { EventLoopUtilization } from 'node:perf_hooks';
import type { Alarms } from '../backends/simulated/alarms.js';

/** What one process of a generator knows of itself, beside the rows: whether its numbers are its own fault. */
export interface HealthFacts {
  /** Share of the time in which its event loop had something to do, 0 … 1. */
  readonly eventLoopUtilisation: number;
  /** Invocations that were sent late, or not at all, for the limit of those in flight. */
  readonly heldBack: number;
}

export class GeneratorHealth {
  heldBack = 0;
  readonly #alarms: Alarms;
  #begin: EventLoopUtilization = performance.eventLoopUtilization();
  #idleTurnsUs = 0;

  constructor(alarms: Alarms) {
    this.#alarms = alarms;
  }

  /** The load begins: what came before is not its own. */
  begin(): void {
    this.#begin = performance.eventLoopUtilization();
    this.#idleTurnsUs = this.#alarms.idleTurnsUs;
  }

  facts(): HealthFacts {
    const { active, idle } = performance.eventLoopUtilization(this.#begin);
    // Turns that do nothing but look whether it is time are activity to Node, and none to us: there is room for work in them.
    const busyMs = active - (this.#alarms.idleTurnsUs - this.#idleTurnsUs) / 1000;
    const allMs = active + idle;
    return {
      eventLoopUtilisation: allMs === 0 ? 0 : Math.min(1, Math.max(0, busyMs / allMs)),
      heldBack: this.heldBack,
    };
  }
}
