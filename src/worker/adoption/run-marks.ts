/**
 * How many invocations each container runs, in memory that outlives the process: a store of one byte on the warm path, no call. Whoever takes a container over knows by it whether to expect results that
 * nobody waits for any more.
 */

/** Something larger than a socket takes at once was being sent: the container may have got half of it, and would take what comes next for the rest. */
export const HALF_SENT = 255;

const MOST = HALF_SENT - 1;

export class RunMarks {
  /** Of containers that can be kept at the same time. */
  static readonly COUNT = 16_384;

  #bytes: Uint8Array = new Uint8Array(0);
  readonly #taken = new Set<number>();
  #next = 0;

  /** Before that nothing has a place. */
  use(bytes: Uint8Array): void {
    this.#bytes = bytes;
  }

  /** Goes on in another memory, with what is there now. */
  move(bytes: Uint8Array): void {
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }

  /** A place of its own, set to 0; -1 = all are taken. */
  take(): number {
    const count = this.#bytes.length;
    if (this.#taken.size >= count) return -1;
    while (this.#taken.has(this.#next % count)) this.#next++;
    const place = this.#next++ % count;
    this.claim(place);
    this.#bytes[place] = 0;
    return place;
  }

  /** One that a container of an earlier process has. */
  claim(place: number): void {
    this.#taken.add(place);
  }

  give(place: number): void {
    this.#taken.delete(place);
  }

  /** Before what is sent is sent, and after what came was understood: an error is then on the side of too many. */
  set(place: number, running: number): void {
    if (place >= 0) this.#bytes[place] = Math.min(running, MOST);
  }

  halfSent(place: number): void {
    if (place >= 0) this.#bytes[place] = HALF_SENT;
  }

  of(place: number): number {
    return this.#bytes[place] ?? HALF_SENT;
  }
}
