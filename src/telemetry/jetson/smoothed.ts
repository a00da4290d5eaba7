/**
 * A value that is smoothed over its readings and knows how old it is: `weight` of the new one and the rest of what was. After a gap it begins anew, since what was then says nothing about now. Pure:
 * time is the caller's.
 */
export class Smoothed {
  readonly #weight: number;
  readonly #gapUs: number;
  #value = 0;
  #atUs = Number.NEGATIVE_INFINITY;

  constructor(weight: number, gapUs: number) {
    this.#weight = weight;
    this.#gapUs = gapUs;
  }

  add(value: number, atUs: number): void {
    const fresh = this.isFresh(atUs);
    this.#value = fresh ? this.#weight * value + (1 - this.#weight) * this.#value : value;
    this.#atUs = atUs;
  }

  /** Read within the time that counts as a gap. */
  isFresh(nowUs: number): boolean {
    return nowUs - this.#atUs <= this.#gapUs;
  }

  /** Null = there was none so far. */
  get value(): number | null {
    return this.#atUs === Number.NEGATIVE_INFINITY ? null : this.#value;
  }

  /** Infinity = there was none so far. */
  ageUs(nowUs: number): number {
    return nowUs - this.#atUs;
  }
}
