import type { ContainerFailure } from '../ports.js';
import { BackOff, type BackOffOptions, type Door } from './back-off.js';
import { type BreakerOptions, CircuitBreaker } from './circuit-breaker.js';
import type { CreationAttempts } from './creation-attempts.js';

export interface CreationOptions extends BackOffOptions {
  /** Attempts on each backend; at least 1. */
  readonly attempts: number;
  /** Whether the next backend of a function is taken when one cannot make its containers. */
  readonly fallBack: boolean;
  readonly breaker: BreakerOptions;
}

/** What a function brings: where its containers may be made, in order of preference, and how often that is tried on each. */
export interface CreationWish {
  readonly backends: readonly string[];
  readonly createAttempts: number;
}

/** The part of a container that counts here. */
export interface CreatedContainer {
  readonly backend: string;
  /** It is the probe of its backend's breaker. */
  probe: boolean;
}

/**
 * What becomes of a failed attempt: `elsewhere` = at once, on another backend; `later` = after a back-off; `never` = it is told to the caller.
 */
export type Verdict = 'elsewhere' | 'later' | 'never';

/** Totals of one backend since the engine began. */
export class BackendRecord {
  created = 0;
  failed = 0;
  readonly breaker: CircuitBreaker;

  constructor(options: BreakerOptions) {
    this.breaker = new CircuitBreaker(options);
  }
}

/**
 * Creating again, and elsewhere: on which backend a container is made, and what is done when that fails. It keeps a breaker for each backend and the back-offs of
 * all functions; who waits for a container, and what it holds meanwhile, is not its business.
 */
export class CreationPolicy {
  readonly backOff: BackOff;
  readonly backends: ReadonlyMap<string, BackendRecord>;
  readonly #now: () => number;

  constructor(options: CreationOptions, backends: readonly string[], now: () => number) {
    this.backOff = new BackOff(options);
    this.backends = new Map(backends.map((name) => [name, new BackendRecord(options.breaker)]));
    this.#now = now;
  }

  /** The first backend that is of use to these attempts and has no open breaker; else the first that is of use. */
  choose({ backends }: CreationWish, attempts: CreationAttempts | null): string {
    const first = backends[0] as string;
    if (backends.length === 1) return first;
    return this.#next(backends, attempts) ?? first;
  }

  /** A container is begun. */
  begun(container: CreatedContainer): void {
    const record = this.#record(container);
    record.created++;
    container.probe = record.breaker.begun(this.#now());
  }

  /** It is ready. */
  succeeded(container: CreatedContainer, door: Door): void {
    this.#record(container).breaker.succeeded();
    this.ended(container);
    this.backOff.reset(door);
  }

  /** It could not be made. What is the function's own fault says nothing of its backend. */
  failed(container: CreatedContainer, failure: ContainerFailure): void {
    const record = this.#record(container);
    record.failed++;
    if (failure.transient || failure.errorClass === 'unavailable') record.breaker.failed(this.#now());
    this.ended(container);
  }

  /** It is not being created any more. Idempotent. */
  ended(container: CreatedContainer): void {
    if (!container.probe) return;
    container.probe = false;
    this.#record(container).breaker.probeEnded();
  }

  /** Notes a failure among the attempts it belongs to, and says how they go on. */
  judge(wish: CreationWish, attempts: CreationAttempts, backend: string, failure: ContainerFailure): Verdict {
    attempts.failed(backend, failure, wish.createAttempts);
    // What is the function's own fault would fail everywhere.
    if (!failure.transient && failure.errorClass !== 'unavailable') return 'never';
    let next = this.#next(wish.backends, attempts);
    if (next === null) {
      attempts.newRound();
      next = this.#next(wish.backends, attempts);
      return next === null ? 'never' : 'later';
    }
    return next === backend ? 'later' : 'elsewhere';
  }

  #next(backends: readonly string[], attempts: CreationAttempts | null): string | null {
    let usable: string | null = null;
    for (const backend of backends) {
      if (attempts !== null && !attempts.admits(backend)) continue;
      usable ??= backend;
      if (this.backends.get(backend)?.breaker.admits(this.#now()) === true) return backend;
    }
    return usable;
  }

  #record({ backend }: CreatedContainer): BackendRecord {
    return this.backends.get(backend) as BackendRecord;
  }
}
