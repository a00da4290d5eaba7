import type { Engine } from '../core/engine.js';

/**
 * Wakes the engine when one of its deadlines passes. One timer for the whole engine, armed for the earliest deadline only; an idle worker without
 * deadlines has no timer at all.
 */
export class EngineTimer {
  readonly #engine: Engine;
  readonly #now: () => number;
  #timer: NodeJS.Timeout | null = null;
  #armedFor = Number.POSITIVE_INFINITY;

  constructor(engine: Engine, now: () => number) {
    this.#engine = engine;
    this.#now = now;
  }

  /** To be called after anything that may have made a deadline. Costs a comparison when the timer is early enough. */
  arm(): void {
    const next = this.#engine.nextDeadline();
    if (next >= this.#armedFor) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#armedFor = next;
    // Rounded up: a tick before the deadline would find nothing due and have to be repeated.
    const delayMs = Math.min(MAX_DELAY_MS, Math.max(1, Math.ceil((next - this.#now()) / 1000)));
    this.#timer = setTimeout(() => this.#fire(), delayMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #fire(): void {
    this.#timer = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
    this.#engine.tick();
    this.arm();
  }
}

/** setTimeout's own limit is 2^31-1; a day is soon enough to look again. */
const MAX_DELAY_MS = 86_400_000;
