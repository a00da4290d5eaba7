import { IluvatarError } from '../core/errors.js';

/** Failures of everything about images, as the error classes that callers know. */

export function invalid(what: string): IluvatarError {
  return new IluvatarError('invalid', what);
}

/** What went wrong, from anything that was thrown. The reason behind a failed `fetch` is only in its cause. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error as { cause?: unknown };
  if (!(cause instanceof Error)) return error.message;
  return cause.message || (cause as NodeJS.ErrnoException).code || error.message;
}
