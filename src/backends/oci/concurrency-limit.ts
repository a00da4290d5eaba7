/**
 * How many of one kind of work run at once, found by trying. What the work takes longer than it takes alone is waiting inside: of `running` at once,
 * `running · (1 − alone / taken)` wait. While few wait the limit grows, when many do it shrinks: more at once would bring nothing but longer waiting (the idea of TCP Vegas,
 * Brakmo and Peterson 1995).
 *
 * What it takes alone is known only while few run. Under lasting load that becomes old, or was never seen; taking the least time of late for it would call waiting work, and
 * the limit would grow without end. So under load few run from time to time, and it is measured again (the idea of BBR's probing, Cardwell et al. 2016). A time that is too
 * short, from a moment when the machine was quieter, costs no more than parallelism: the limit does not shrink below what `MANY` allows. Pure.
 */
const LOWEST = 2;
const HIGHEST = 64;
/** Waiting inside: fewer are too few to keep everything busy, more are too many. */
const FEW = 3;
const MANY = 6;
/** With few running, an old least time is forgotten by a hundredth at each end. */
const FORGET = 1.01;
/** Ends under full load, for each place, until few run: about as many times what one piece takes. */
const PROBE_AFTER = 50;
/** Those that began before few ran are not looked at. */
const PROBE_SKIPPED = LOWEST;
const PROBE_MEASURED = 4;

export class ConcurrencyLimit {
  #limit: number;
  #aloneUs = Number.POSITIVE_INFINITY;
  /** Ends under full load since the last probe. */
  #loaded = 0;
  /** Ends that the probe still waits for; 0 = there is none. */
  #probe = 0;
  #probedUs = Number.POSITIVE_INFINITY;
  readonly #fixed: boolean;

  /** `fixed` = 0: adaptive, beginning with `initial`. */
  constructor(fixed: number, initial = 4) {
    this.#fixed = fixed > 0;
    this.#limit = this.#fixed ? fixed : initial;
  }

  get limit(): number {
    return this.#probe > 0 ? LOWEST : Math.floor(this.#limit);
  }

  /** One piece of work has ended; `running` with it when it did. */
  ended(tookUs: number, running: number): void {
    if (this.#fixed || tookUs <= 0) return;
    if (this.#probe > 0) {
      if (running <= LOWEST) this.#measured(tookUs);
      return;
    }
    const forget = running <= LOWEST ? FORGET : 1;
    this.#aloneUs = Math.min(this.#aloneUs * forget, tookUs);
    const waiting = running * (1 - this.#aloneUs / tookUs);
    const full = running >= this.limit;
    // A limit that is not reached says nothing about a higher one.
    if (waiting < FEW && full) this.#limit = Math.min(HIGHEST, this.#limit + 1 / this.#limit);
    else if (waiting > MANY) this.#limit = Math.max(LOWEST, this.#limit - 1 / this.#limit);
    if (full && ++this.#loaded > PROBE_AFTER * this.#limit) {
      this.#loaded = 0;
      this.#probe = PROBE_SKIPPED + PROBE_MEASURED;
      this.#probedUs = Number.POSITIVE_INFINITY;
    }
  }

  #measured(tookUs: number): void {
    if (this.#probe <= PROBE_MEASURED) this.#probedUs = Math.min(this.#probedUs, tookUs);
    if (--this.#probe === 0) this.#aloneUs = this.#probedUs;
  }
}
