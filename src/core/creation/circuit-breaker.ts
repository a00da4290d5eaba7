export interface BreakerOptions {
  /** Failures in a row, without a success between them, that open it. */
  readonly failures: number;
  /** How long it stays open; µs. */
  readonly openUs: number;
}

/**
 * Whether one backend is worth asking while another could do the same (circuit breaker: Nygard, Release It!, 2007). *Closed*, it is asked; after some failures in a row it is *open*: the others
 * are asked; after a while it is *half open*: one creation, the probe, is made on it, and decides. It only advises: a backend that is the last one left is asked in any state.
 */
export class CircuitBreaker {
  readonly #options: BreakerOptions;
  #failures = 0;
  #openUntil = 0;
  #probing = false;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  /** Open, or half open: it failed so often that others are preferred. */
  get isOpen(): boolean {
    return this.#failures >= this.#options.failures;
  }

  /** A probe is under way. */
  get probing(): boolean {
    return this.#probing;
  }

  admits(now: number): boolean {
    return !this.isOpen || (now >= this.#openUntil && !this.#probing);
  }

  /** A creation begins on this backend. True: it is the probe, and how it ends is told with `probe` true. */
  begun(now: number): boolean {
    if (!this.isOpen || this.#probing || now < this.#openUntil) return false;
    this.#probing = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openUntil = 0;
  }

  failed(now: number): void {
    this.#failures++;
    if (this.isOpen) this.#openUntil = now + this.#options.openUs;
  }

  /** The probe is over, however it ended; one that ended without a verdict leaves room for the next. */
  probeEnded(): void {
    this.#probing = false;
  }
}
