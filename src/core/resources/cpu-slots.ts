/**
 * CPU slots that admit work. Counted in thousandths, as integers: fractions of slots taken and given back as floating-point numbers would drift until
 * a function that needs all slots never fits again.
 */
export class CpuSlots {
  readonly #total: number;
  #used = 0;

  /** `slots` Infinity = no limit. */
  constructor(slots: number) {
    this.#total = toMilliSlots(slots);
  }

  get total(): number {
    return this.#total / 1000;
  }

  get used(): number {
    return this.#used / 1000;
  }

  get free(): number {
    return (this.#total - this.#used) / 1000;
  }

  /** Could this many thousandths ever be free? */
  canEverHold(milliSlots: number): boolean {
    return milliSlots <= this.#total;
  }

  tryTake(milliSlots: number): boolean {
    if (this.#used + milliSlots > this.#total) return false;
    this.#used += milliSlots;
    return true;
  }

  release(milliSlots: number): void {
    this.#used -= milliSlots;
  }
}

/** Slots as whole thousandths; at least one, since what costs nothing would not be limited by anything. */
export function toMilliSlots(slots: number): number {
  return Math.max(1, Math.round(slots * 1000));
}
