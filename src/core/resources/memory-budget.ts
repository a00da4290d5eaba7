/**
 * The memory that containers may reserve; MiB. A reservation is made before a container is created and given back when it is really gone; what a
 * container is measured to use never changes it. What one uses above its reservation (memory policy `grow`) is kept beside it, and
 * cannot be reserved by others as long as it is used: so what is free may be less than nothing.
 */
export class MemoryBudget {
  #totalMb: number;
  #mostMb: number;
  #reservedMb = 0;
  #overshootMb = 0;

  constructor(totalMb: number) {
    this.#totalMb = totalMb;
    this.#mostMb = totalMb;
  }

  get totalMb(): number {
    return this.#totalMb;
  }

  /** What may be reserved now: the total, or what was reserved when that became less, as far as it has not been given back. */
  get mostMb(): number {
    return this.#mostMb;
  }

  /** More is reserved than there is, since it became less. */
  get exceeded(): boolean {
    return this.#mostMb > this.#totalMb;
  }

  /** There is so much from now on. What is reserved beyond it is not taken back: it is missed when it is released. */
  resize(totalMb: number): void {
    this.#totalMb = totalMb;
    this.#mostMb = Math.max(totalMb, this.#reservedMb);
  }

  get reservedMb(): number {
    return this.#reservedMb;
  }

  get overshootMb(): number {
    return this.#overshootMb;
  }

  get freeMb(): number {
    return this.#totalMb - this.#reservedMb - this.#overshootMb;
  }

  tryReserve(mb: number): boolean {
    if (mb > this.freeMb) return false;
    this.#reservedMb += mb;
    return true;
  }

  release(mb: number): void {
    this.#reservedMb -= mb;
    if (this.#mostMb > this.#totalMb) this.#mostMb = Math.max(this.#totalMb, this.#reservedMb);
  }

  /** `byMb` more (or, below 0, less) is used above reservations. */
  overshoot(byMb: number): void {
    this.#overshootMb += byMb;
  }
}
