import type { Container, ContainerFailure, Invocation } from '../core/index.js';

/** What a simulated container does next. */
export const EVENT = { created: 0, answered: 1, exited: 2, cancelled: 3, gone: 4, call: 5 } as const;
export type EventKind = (typeof EVENT)[keyof typeof EVENT];

/**
 * What is going to happen, soonest first; what happens at the same time, in the order in which it was pushed. A binary heap over typed arrays: an event
 * costs no object, and its comparison touches two numbers.
 *
 * `pop` leaves the event in the fields of the heap, where it stays until the next `pop`.
 */
export class EventHeap {
  kind: EventKind = EVENT.created;
  container: Container | null = null;
  invocation: Invocation | null = null;
  /** Of a run: how long it took; µs. */
  runUs = 0;
  /** What goes wrong, or (of a `call`) what is called. */
  cause: unknown = null;

  #size = 0;
  #capacity = 1024;
  #lastOrder = 0;
  /** The heap: times, orders and slots, side by side. */
  #at = new Float64Array(this.#capacity);
  #order = new Float64Array(this.#capacity);
  #slot = new Int32Array(this.#capacity);
  /** What belongs to an event, by its slot, which never moves. */
  #kinds = new Uint8Array(this.#capacity);
  #runUs = new Float64Array(this.#capacity);
  readonly #containers: (Container | null)[] = [];
  readonly #invocations: (Invocation | null)[] = [];
  readonly #causes: unknown[] = [];
  /** Slots in use are the first `#size` that were ever taken, but for these. */
  #free = new Int32Array(this.#capacity);
  #freeCount = 0;
  #slots = 0;

  get size(): number {
    return this.#size;
  }

  /** When the next one happens; Infinity = nothing will. */
  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#at[0] as number);
  }

  push(
    at: number,
    kind: EventKind,
    container: Container | null,
    invocation: Invocation | null,
    runUs: number,
    cause: unknown,
  ): void {
    if (this.#size === this.#capacity) this.#grow();
    const slot = this.#freeCount > 0 ? (this.#free[--this.#freeCount] as number) : this.#slots++;
    this.#kinds[slot] = kind;
    this.#runUs[slot] = runUs;
    this.#containers[slot] = container;
    this.#invocations[slot] = invocation;
    this.#causes[slot] = cause;
    this.#up(this.#size++, at, ++this.#lastOrder, slot);
  }

  /** There is one. */
  pop(): void {
    const slot = this.#slot[0] as number;
    this.kind = this.#kinds[slot] as EventKind;
    this.runUs = this.#runUs[slot] as number;
    this.container = this.#containers[slot] as Container | null;
    this.invocation = this.#invocations[slot] as Invocation | null;
    this.cause = this.#causes[slot];
    // What has ended must not be kept alive by a slot that is not used again for hours.
    this.#containers[slot] = null;
    this.#invocations[slot] = null;
    this.#causes[slot] = null;
    this.#free[this.#freeCount++] = slot;
    const last = --this.#size;
    if (last > 0) this.#down(this.#at[last] as number, this.#order[last] as number, this.#slot[last] as number);
  }

  #up(from: number, at: number, order: number, slot: number): void {
    let index = from;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      // Its order is the greatest there is, so that among equal times it stays behind.
      if ((this.#at[parent] as number) <= at) break;
      this.#move(parent, index);
      index = parent;
    }
    this.#set(index, at, order, slot);
  }

  #down(at: number, order: number, slot: number): void {
    const size = this.#size;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#before(child + 1, child)) child++;
      const childAt = this.#at[child] as number;
      if (at < childAt || (at === childAt && order < (this.#order[child] as number))) break;
      this.#move(child, index);
      index = child;
    }
    this.#set(index, at, order, slot);
  }

  #before(a: number, b: number): boolean {
    const difference = (this.#at[a] as number) - (this.#at[b] as number);
    return difference < 0 || (difference === 0 && (this.#order[a] as number) < (this.#order[b] as number));
  }

  #move(from: number, to: number): void {
    this.#at[to] = this.#at[from] as number;
    this.#order[to] = this.#order[from] as number;
    this.#slot[to] = this.#slot[from] as number;
  }

  #set(index: number, at: number, order: number, slot: number): void {
    this.#at[index] = at;
    this.#order[index] = order;
    this.#slot[index] = slot;
  }

  #grow(): void {
    this.#capacity *= 2;
    this.#at = grown(this.#at, new Float64Array(this.#capacity));
    this.#order = grown(this.#order, new Float64Array(this.#capacity));
    this.#slot = grown(this.#slot, new Int32Array(this.#capacity));
    this.#kinds = grown(this.#kinds, new Uint8Array(this.#capacity));
    this.#runUs = grown(this.#runUs, new Float64Array(this.#capacity));
    this.#free = grown(this.#free, new Int32Array(this.#capacity));
  }
}

function grown<Numbers extends Float64Array | Int32Array | Uint8Array>(old: Numbers, larger: Numbers): Numbers {
  larger.set(old);
  return larger;
}

export type EventCause = ContainerFailure | (() => void);
