/**
 * How much is at work at once, and how much weight it has, when everything begins as it arrives: a heap of ends over typed arrays, as large as what is at work. Beginnings come in
 * the order of their times.
 */
export class ConcurrencyMeter {
  peak = 0;
  peakWeight = 0;
  #size = 0;
  #weight = 0;
  #ends = new Float64Array(1024);
  #weights = new Float64Array(1024);

  began(atUs: number, lengthUs: number, weight: number): void {
    while (this.#size > 0 && (this.#ends[0] as number) <= atUs) this.#removeFirst();
    if (this.#size === this.#ends.length) this.#grow();
    this.#up(this.#size++, atUs + lengthUs, weight);
    this.#weight += weight;
    this.peak = Math.max(this.peak, this.#size);
    this.peakWeight = Math.max(this.peakWeight, this.#weight);
  }

  #removeFirst(): void {
    this.#weight -= this.#weights[0] as number;
    const last = --this.#size;
    const end = this.#ends[last] as number;
    const weight = this.#weights[last] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      if (child + 1 < last && (this.#ends[child + 1] as number) < (this.#ends[child] as number)) child++;
      if ((this.#ends[child] as number) >= end) break;
      this.#set(at, this.#ends[child] as number, this.#weights[child] as number);
      at = child;
    }
    this.#set(at, end, weight);
  }

  #up(from: number, end: number, weight: number): void {
    let at = from;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#ends[parent] as number) <= end) break;
      this.#set(at, this.#ends[parent] as number, this.#weights[parent] as number);
      at = parent;
    }
    this.#set(at, end, weight);
  }

  #set(at: number, end: number, weight: number): void {
    this.#ends[at] = end;
    this.#weights[at] = weight;
  }

  #grow(): void {
    const ends = new Float64Array(this.#ends.length * 2);
    const weights = new Float64Array(ends.length);
    ends.set(this.#ends);
    weights.set(this.#weights);
    this.#ends = ends;
    this.#weights = weights;
  }
}
