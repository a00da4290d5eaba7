import { IluvatarError } from '../../core/index.js';
import { ORIGIN_US } from '../virtual-clock.js';
import type { FuzzCase } from './fuzz-case.js';
import { type FuzzOptions, History, Problem } from './history.js';

/** What is wrong, and when it was noticed. */
export interface FuzzFailure {
  /** `invariant`, `port`, `late`, `thrown`, `settled`, `memory`, `endless`, `stuck` or `left`: a smaller history must fail in the same way to count as the same failure. */
  readonly kind: string;
  readonly problems: readonly string[];
  /** µs since the beginning. */
  readonly at: number;
  /** Events handled before. */
  readonly events: number;
}

/** Plays a history and checks the books after every event; null = nothing is wrong. */
export function runCase(fuzzCase: FuzzCase, options: FuzzOptions = {}): FuzzFailure | null {
  let history: History | null = null;
  try {
    history = new History(fuzzCase, options);
    history.play();
    return null;
  } catch (error) {
    const at = history === null ? 0 : history.worker.clock.time - ORIGIN_US;
    const events = history?.checks ?? 0;
    if (error instanceof Problem) return { kind: error.kind, problems: error.problems, at, events };
    // What the simulated worker itself says when nothing will ever happen again.
    const stuck = error instanceof IluvatarError && error.errorClass === 'internal';
    if (stuck) return { kind: 'stuck', problems: [error.message], at, events };
    return {
      kind: 'thrown',
      problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
      at,
      events,
    };
  }
}

export type { FuzzOptions };
