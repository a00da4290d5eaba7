/** The latest so many, in the order in which they came: when it is full the oldest makes way, and is counted. */
export class Ring<T> {
  readonly #items: (T | undefined)[];
  #first = 0;
  #length = 0;
  /** Made way. */
  dropped = 0;

  constructor(capacity: number) {
    this.#items = new Array<T | undefined>(capacity);
  }

  get length(): number {
    return this.#length;
  }

  push(item: T): void {
    const capacity = this.#items.length;
    this.#items[(this.#first + this.#length) % capacity] = item;
    if (this.#length < capacity) {
      this.#length++;
      return;
    }
    this.#first = (this.#first + 1) % capacity;
    this.dropped++;
  }

  /** The oldest, at most so many; they are out then. */
  take(count: number): T[] {
    const taken: T[] = [];
    while (taken.length < count && this.#length > 0) {
      taken.push(this.#items[this.#first] as T);
      this.#items[this.#first] = undefined;
      this.#first = (this.#first + 1) % this.#items.length;
      this.#length--;
    }
    return taken;
  }
}
