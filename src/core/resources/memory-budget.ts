/**
 * The memory that containers may reserve; MiB. A reservation is made before a container is created and given back when it is really gone; what a
 * container is measured to use never changes it.
 */
export class MemoryBudget {
  readonly totalMb: number;
  #reservedMb = 0;

  constructor(totalMb: number) {
    this.totalMb = totalMb;
  }

  get reservedMb(): number {
    return this.#reservedMb;
  }

  get freeMb(): number {
    return this.totalMb - this.#reservedMb;
  }

  tryReserve(mb: number): boolean {
    if (this.#reservedMb + mb > this.totalMb) return false;
    this.#reservedMb += mb;
    return true;
  }

  release(mb: number): void {
    this.#reservedMb -= mb;
  }
}
