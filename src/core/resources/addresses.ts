/**
 * The network addresses that containers may hold, all alike. One that needs an address holds it from its reservation until it is gone. How many there are can
 * change: somebody else on the machine may take a part of the range.
 */
export class Addresses {
  #total: number;
  #most: number;
  /** Held, whatever their containers do. */
  held = 0;
  /** Of those: by idle containers. */
  idle = 0;
  /** Of those: by containers that are being destroyed. */
  leaving = 0;

  /** `total` Infinity = no limit. */
  constructor(total: number) {
    this.#total = total;
    this.#most = total;
  }

  get total(): number {
    return this.#total;
  }

  /** There have never been more. */
  get most(): number {
    return this.#most;
  }

  /** There are so many from now on. */
  resize(total: number): void {
    this.#total = total;
    this.#most = Math.max(this.#most, total);
  }

  /** Below 0 while more are held than there are since they became fewer. */
  get free(): number {
    return this.total - this.held;
  }

  /** There will be a free one, without anything more being evicted. */
  get willBeFree(): boolean {
    return this.free + this.leaving > 0;
  }

  /** There is a free one, or would be if idle containers went. */
  get couldBeFree(): boolean {
    return this.free + this.leaving + this.idle > 0;
  }
}
