import { pauseAfter } from '../../core/creation/back-off.js';
import type { ErrorClass } from '../../core/errors.js';
import type { Random } from '../../core/random.js';

/**
 * The life of one asynchronous invocation, as a pure state machine: no I/O, and the clock is handed in.
 *
 *     accepted ─▶ running ─▶ done | failed
 *                 ▲    └──▶ retrying ─┐ (or dead, when no attempt is left)
 *                 └───────────────────┘
 *
 * `done`, `failed` and `dead` are final: there is no way out of them.
 */

export interface RetryPolicy {
  /** Attempts that may fail, the first included. */
  readonly attempts: number;
  readonly backOffMs: number;
  readonly maxBackOffMs: number;
  /** Part of a pause that is left to chance, 0 to 1. */
  readonly jitter: number;
  readonly retry: ReadonlySet<string>;
  /** Ends of the worker during a run, counted apart: they say little of the function, unless there are many. */
  readonly interruptions: number;
}

/** What has happened to an unfinished invocation; kept in the store. */
export interface Progress {
  /** Attempts that ended in a failure. */
  readonly failures: number;
  /** Attempts that the end of a worker cut short. */
  readonly interruptions: number;
  readonly running: boolean;
  /** The next attempt not before this; ms since 1970, 0 = at once. */
  readonly dueAt: number;
}

export type Step =
  | { readonly to: 'retrying'; readonly progress: Progress }
  | { readonly to: 'done' | 'failed' | 'dead'; readonly attempts: number };

export interface AttemptEnd {
  /** Null = it succeeded. */
  readonly errorClass: ErrorClass | null;
  /** Not sooner than in so long; ms, 0 = no such wish. */
  readonly retryAfterMs: number;
}

export const ACCEPTED: Progress = { failures: 0, interruptions: 0, running: false, dueAt: 0 };

/** Ended and interrupted attempts, and the one that runs. */
export function attemptsOf({ failures, interruptions, running }: Progress): number {
  return failures + interruptions + (running ? 1 : 0);
}

export function begun(progress: Progress): Progress {
  if (progress.running) throw new Error('an invocation that runs cannot begin');
  return { ...progress, running: true, dueAt: 0 };
}

export function ended(progress: Progress, end: AttemptEnd, policy: RetryPolicy, now: number, random: Random): Step {
  if (!progress.running) throw new Error('an invocation that does not run cannot end');
  const attempts = attemptsOf(progress);
  if (end.errorClass === null) return { to: 'done', attempts };
  if (!policy.retry.has(end.errorClass)) return { to: 'failed', attempts };
  const failures = progress.failures + 1;
  if (failures >= policy.attempts) return { to: 'dead', attempts };
  const pause = pauseAfter(progress.failures, policy.backOffMs, policy.maxBackOffMs, policy.jitter, random);
  const dueAt = now + Math.round(Math.max(pause, end.retryAfterMs));
  return { to: 'retrying', progress: { ...progress, failures, running: false, dueAt } };
}

/** The worker has ended during a run: it is run again at once, unless this has happened too often. */
export function interrupted(progress: Progress, policy: RetryPolicy): Step {
  if (!progress.running) throw new Error('an invocation that does not run cannot be interrupted');
  const interruptions = progress.interruptions + 1;
  if (interruptions >= policy.interruptions) return { to: 'dead', attempts: attemptsOf(progress) };
  return { to: 'retrying', progress: { ...progress, interruptions, running: false, dueAt: 0 } };
}

/** The worker gives a run up in order, before it ends: as if it had not begun. */
export function withdrawn(progress: Progress): Progress {
  return { ...progress, running: false };
}
