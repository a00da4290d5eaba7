/**
 * The closed set of error classes: every failure reaches the caller as one of these, on every edge.
 * The code of a class is its place in this list and is part of the wire protocol (docs/protocol.md): append only.
 */
export const ERROR_CLASSES = [
  'ok',
  'user_error',
  'timeout',
  'out_of_memory',
  'crashed',
  'overloaded',
  'not_found',
  'invalid',
  'unavailable',
  'conflict',
  'cancelled',
  'too_large',
  'start_failed',
  'internal',
] as const;

export type ErrorClass = Exclude<(typeof ERROR_CLASSES)[number], 'ok'>;

/** Wire code of a class; 0 is `ok`. */
export function errorCode(errorClass: ErrorClass | null): number {
  return errorClass === null ? 0 : ERROR_CLASSES.indexOf(errorClass);
}

/** Class of a wire code; null for ok. A code from a newer peer reads as `internal`. */
export function errorClassOf(code: number): ErrorClass | null {
  if (code === 0) return null;
  return (ERROR_CLASSES[code] as ErrorClass | undefined) ?? 'internal';
}

/** What one invocation took of the machine, as its answer says it. */
export interface InvocationEnergy {
  /** Above what the idle machine takes; null = nothing is known yet of what CPU time takes. */
  readonly joules: number | null;
  /** CPU time on all cores; null = it was not measured. */
  readonly cpuMs: number | null;
  /** Time on a GPU. */
  readonly gpuMs: number;
  /** Name of what was read. */
  readonly source: string;
  /**
   * False = the interval in which it ended is not over, and `joules` has that part at the latest rate. The function's totals have what was measured.
   */
  readonly settled: boolean;
}

/** What a failure may carry beside its class. Everything is optional and JSON. */
export interface ErrorDetails {
  traceback?: string;
  stdout?: string;
  stderr?: string;
  /** What the platform saw: limits, peaks, signals, counters. */
  evidence?: Record<string, unknown>;
  /** With `overloaded`: when trying again makes sense. */
  retryAfterMs?: number;
  attempts?: number;
  /** With `unavailable`: the function was given its arguments, and nobody knows how far it came. Absent = it has not run. */
  mayHaveRun?: boolean;
  /** How long its container's CPU quota held it back, summed over the cores; µs. */
  throttledUs?: number;
  /** What it took of the machine. */
  energy?: InvocationEnergy;
}

/** The one error type of the public API: `catch (e) { if (e.errorClass === 'timeout') … }`. */
export class IluvatarError extends Error {
  override readonly name = 'IluvatarError';
  readonly errorClass: ErrorClass;
  readonly details: ErrorDetails;
  constructor(errorClass: ErrorClass, message: string, details: ErrorDetails = {}) {
    super(message);
    this.errorClass = errorClass;
    this.details = details;
  }
}
