/**
 * The memory that containers may reserve; MiB. A reservation is made before a container is created and given back when it is really gone; what a
 * container is measured to use never changes it. What one uses above its reservation (memory policy `grow`) is kept beside it, and
 * cannot be reserved by others as long as it is used: so what is free may be less than nothing.
 */
export class MemoryBudget {
  readonly totalMb: number;
  #reservedMb = 0;
  #overshootMb = 0;

  constructor(totalMb: number) {
    this.totalMb = totalMb;
  }

  get reservedMb(): number {
    return this.#reservedMb;
  }

  get overshootMb(): number {
    return this.#overshootMb;
  }

  get freeMb(): number {
    return this.totalMb - this.#reservedMb - this.#overshootMb;
  }

  tryReserve(mb: number): boolean {
    if (mb > this.freeMb) return false;
    this.#reservedMb += mb;
    return true;
  }

  release(mb: number): void {
    this.#reservedMb -= mb;
  }

  /** `byMb` more (or, below 0, less) is used above reservations. */
  overshoot(byMb: number): void {
    this.#overshootMb += byMb;
  }
}
