/**
 * Energy of a power that is read now and then: trapezoids over the readings' own times. Pure. A gap of several periods is bridged in the same way, but nobody knows what was in it: `gaps` says that there
 * were some.
 */
export interface PowerIntegralOptions {
  /** How often readings are expected; µs. */
  readonly periodUs: number;
  /** Without a reading for more than so many periods it is a gap. */
  readonly gapPeriods?: number;
}

const GAP_PERIODS = 3;

export class PowerIntegral {
  joules = 0;
  gaps = 0;
  readonly #gapUs: number;
  #watts = Number.NaN;
  #atUs = 0;
  #interrupted = false;

  constructor({ periodUs, gapPeriods = GAP_PERIODS }: PowerIntegralOptions) {
    this.#gapUs = periodUs * gapPeriods;
  }

  /** Returns the joules since the reading before. One that is not younger is left out, as is a power that is no number or below 0. */
  add(watts: number, atUs: number): number {
    if (!(watts >= 0 && watts < Number.POSITIVE_INFINITY)) return 0;
    const before = this.#watts;
    const elapsedUs = atUs - this.#atUs;
    if (!Number.isNaN(before) && elapsedUs <= 0) return 0;
    this.#watts = watts;
    this.#atUs = atUs;
    if (this.#interrupted) this.gaps++;
    this.#interrupted = false;
    if (Number.isNaN(before)) return 0;
    if (elapsedUs > this.#gapUs) this.gaps++;
    const joules = (((before + watts) / 2) * elapsedUs) / 1e6;
    this.joules += joules;
    return joules;
  }

  /** What comes next is not joined to what was: in between it was not this power that fed. That, too, is a gap. */
  interrupt(): void {
    if (Number.isNaN(this.#watts)) return;
    this.#watts = Number.NaN;
    this.#interrupted = true;
  }
}
