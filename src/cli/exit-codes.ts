import { type ErrorClass, IluvatarError } from '../core/errors.js';

/**
 * The exit codes of the command line: one for each thing that a script would handle differently. They are part of the public interface and
 * documented in docs/cli.md: append only.
 */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unreachable: 3,
  notFound: 4,
  overloaded: 5,
  timeout: 6,
  invalid: 7,
  conflict: 8,
  died: 9,
  other: 10,
  cancelled: 130,
} as const;

export const EXIT_MEANINGS: readonly (readonly [number, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'the function failed or could not be started; doctor: something needed is missing'],
  [EXIT.usage, 'wrong command line'],
  [EXIT.unreachable, 'the worker, or a registry, cannot be reached, is stopping, or is not healthy'],
  [EXIT.notFound, 'no such function, version, invocation, image or log file'],
  [EXIT.overloaded, 'the worker has too much to do; try again later'],
  [EXIT.timeout, 'the time for it passed'],
  [EXIT.invalid, 'refused: malformed arguments, configuration or request, or too large'],
  [EXIT.conflict, 'a different function has this name and version'],
  [EXIT.died, 'the function ran out of memory or crashed'],
  [EXIT.other, 'anything else; please report it'],
  [EXIT.cancelled, 'interrupted'],
];

const OF_CLASS: Record<ErrorClass, number> = {
  user_error: EXIT.failed,
  start_failed: EXIT.failed,
  unavailable: EXIT.unreachable,
  not_found: EXIT.notFound,
  overloaded: EXIT.overloaded,
  timeout: EXIT.timeout,
  invalid: EXIT.invalid,
  too_large: EXIT.invalid,
  conflict: EXIT.conflict,
  out_of_memory: EXIT.died,
  crashed: EXIT.died,
  internal: EXIT.other,
  cancelled: EXIT.cancelled,
};

/** A mistake in the command line that only a command itself can see. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof IluvatarError) return OF_CLASS[error.errorClass];
  return error instanceof UsageError ? EXIT.usage : EXIT.other;
}
