import type { ErrorClass, ErrorDetails } from '../errors.js';
import type { ContainerFailure } from '../ports.js';

/** One failed attempt to make a container, as its caller is told. */
export interface CreationCause {
  /** From 1. */
  readonly attempt: number;
  readonly backend: string;
  readonly errorClass: ErrorClass;
  readonly message: string;
}

/**
 * The failed attempts to make one container, for an invocation or for a place of a prewarm request. Made at the first failure: what succeeds at once has none.
 * It also keeps which backends are of no use to it: *out* after as many failures as are allowed, or *passed over* until every other one has been asked.
 */
export class CreationAttempts {
  readonly causes: CreationCause[];
  readonly #out: string[] = [];
  #passedOver: string[] = [];

  /** `causes`: what others met that stands for attempts of one's own. */
  constructor(causes: readonly CreationCause[] = []) {
    this.causes = [...causes];
  }

  /** Notes a failure. `limit`: transient failures after which this backend is out. */
  failed(backend: string, failure: ContainerFailure, limit: number): void {
    const { errorClass, message, transient } = failure;
    this.causes.push({ attempt: this.causes.length + 1, backend, errorClass, message });
    let failures = 0;
    for (const cause of this.causes) if (cause.backend === backend) failures++;
    if (!transient || failures >= limit) this.#out.push(backend);
    else if (errorClass === 'unavailable') this.#passedOver.push(backend);
  }

  /** Whether this backend may be asked before a new round begins. */
  admits(backend: string): boolean {
    return !this.#out.includes(backend) && !this.#passedOver.includes(backend);
  }

  /** Every backend has been asked: those that are not out are asked again. */
  newRound(): void {
    this.#passedOver = [];
  }
}

/** What a failure carries, and beside it what went wrong before. `attempts`: all of them. */
export function withCauses(
  details: ErrorDetails | null,
  causes: readonly CreationCause[],
  attempts: number,
): ErrorDetails {
  return { ...details, evidence: { ...details?.evidence, causes }, ...(attempts > 1 ? { attempts } : {}) };
}

/** The message of the last of several attempts; of a single one its own words. */
export function messageAfter(causes: readonly CreationCause[]): string {
  const last = causes.at(-1) as CreationCause;
  if (causes.length === 1) return last.message;
  return `no container could be made in ${causes.length} attempts; the last, on ${last.backend}: ${last.message}`;
}
