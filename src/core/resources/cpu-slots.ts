/**
 * CPU slots that admit work. Counted in thousandths, as integers: fractions of slots taken and given back as floating-point numbers would drift until
 * a function that needs all slots never fits again.
 */
export class CpuSlots {
  readonly #base: number;
  #total: number;
  #used = 0;

  /** `slots` Infinity = no limit. */
  constructor(slots: number) {
    this.#base = toMilliSlots(slots);
    this.#total = this.#base;
  }

  get total(): number {
    return this.#total / 1000;
  }

  get used(): number {
    return this.#used / 1000;
  }

  /** Below 0 while more is used than there is since it became less. */
  get free(): number {
    return (this.#total - this.#used) / 1000;
  }

  /** Is this many thousandths sure to be free some day, however few slots there are? */
  canEverHold(milliSlots: number): boolean {
    return milliSlots <= this.#base;
  }

  tryTake(milliSlots: number): boolean {
    if (this.#used + milliSlots > this.#total) return false;
    this.#used += milliSlots;
    return true;
  }

  release(milliSlots: number): void {
    this.#used -= milliSlots;
  }

  /** There are this many from now on, never fewer than at first. Those in use beyond it are not taken back: they are missed when they end. */
  resize(slots: number): void {
    this.#total = Math.max(this.#base, toMilliSlots(slots));
  }
}

/** Slots as whole thousandths; at least one, since what costs nothing would not be limited by anything. */
export function toMilliSlots(slots: number): number {
  return Math.max(1, Math.round(slots * 1000));
}
