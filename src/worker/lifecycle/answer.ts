import { type ErrorClass, type ErrorDetails, IluvatarError } from '../../core/errors.js';

/** Result of a task as plain data, and back. */
export type TaskAnswer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly errorClass: ErrorClass; readonly message: string; readonly details: ErrorDetails };

export async function toAnswer(task: () => Promise<unknown>): Promise<TaskAnswer> {
  try {
    return { ok: true, value: await task() };
  } catch (error) {
    if (error instanceof IluvatarError) {
      return { ok: false, errorClass: error.errorClass, message: error.message, details: error.details };
    }
    return { ok: false, errorClass: 'internal', message: (error as Error).message ?? String(error), details: {} };
  }
}

export function fromAnswer(answer: TaskAnswer): unknown {
  if (answer.ok) return answer.value;
  throw new IluvatarError(answer.errorClass, answer.message, answer.details);
}
