import type { ContainerFailure } from '../core/ports.js';
import type { AddressAllocator, Allocation } from './address-allocator.js';

/**
 * Namespaces made ahead, so that taking one costs nothing: between a low and a high mark while they are used, down to the low one when
 * they are not. Filled and emptied in batches in the background, since a namespace takes the kernel a millisecond and a link's end twenty.
 */
export interface Maker {
  /** One outcome each, in order; null = made. Never rejects. */
  make(allocations: readonly Allocation[]): Promise<(Error | null)[]>;
  remove(allocations: readonly Allocation[]): Promise<void>;
}

export interface PoolMarks {
  readonly low: number;
  readonly high: number;
  /** Nothing taken for so long: the pool shrinks to its low mark. */
  readonly idleMs: number;
}

export interface PoolLog {
  warn(fields: Record<string, unknown>, message: string): void;
}

/** Exactly one of the two is null. May be called from inside `take`. */
export type AllocationTaken = (allocation: Allocation | null, failure: ContainerFailure | null) => void;

const BATCH = 16;
/** The kernel makes one link at a time, and the threads that wait for it are those that read files too. */
const BATCHES_AT_ONCE = 2;
/** What ends together is removed together. */
const REMOVE_DELAY_MS = 20;
/** Behind the start that took the last one. */
const FILL_DELAY_MS = 5;
const BACK_OFF_MS = 1_000;

export class NamespacePool {
  readonly #allocator: AddressAllocator;
  readonly #maker: Maker;
  readonly #marks: PoolMarks;
  readonly #log: PoolLog;
  readonly #ready: Allocation[] = [];
  readonly #waiting: AllocationTaken[] = [];
  readonly #inUse = new Set<Allocation>();
  readonly #work = new Set<Promise<void>>();
  #leaving: Allocation[] = [];
  #making = 0;
  /** Below the high mark, and more than what is being made is wanted. */
  #filling = false;
  #lastTake = 0;
  #notBefore = 0;
  #fillTimer: NodeJS.Timeout | null = null;
  #removeTimer: NodeJS.Timeout | null = null;
  #idleTimer: NodeJS.Timeout | null = null;
  #closed = false;
  readonly counters = { made: 0, failed: 0, hits: 0, misses: 0 };

  constructor(allocator: AddressAllocator, maker: Maker, marks: PoolMarks, log: PoolLog) {
    this.#allocator = allocator;
    this.#maker = maker;
    this.#marks = marks;
    this.#log = log;
  }

  get ready(): number {
    return this.#ready.length;
  }

  get inUse(): number {
    return this.#inUse.size;
  }

  /** Tops it up to the high mark in the background. */
  fill(): void {
    this.#lastTake = Date.now();
    this.#make();
    this.#watchIdle();
  }

  take(taken: AllocationTaken): void {
    this.#lastTake = Date.now();
    if (this.#idleTimer === null) this.#watchIdle();
    const ready = this.#ready.pop();
    if (ready !== undefined) {
      this.counters.hits++;
      if (this.#ready.length < this.#marks.low) this.#fillLater(FILL_DELAY_MS);
      this.#inUse.add(ready);
      taken(ready, null);
      return;
    }
    this.counters.misses++;
    this.#waiting.push(taken);
    this.#make();
  }

  /** Nothing runs in it any more. Never handed out again: what a container left in it would be the next one's. */
  give(allocation: Allocation): void {
    if (!this.#inUse.delete(allocation)) throw new Error(`${allocation.address} is not in use`);
    this.#leave(allocation);
  }

  /** Resolves when everything of it is removed, what is in use too. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of [this.#fillTimer, this.#removeTimer, this.#idleTimer]) if (timer !== null) clearTimeout(timer);
    this.#refuse({ errorClass: 'unavailable', message: 'the worker is stopping', details: null, transient: true });
    while (this.#work.size > 0) await Promise.all(this.#work);
    this.#leaving.push(...this.#ready.splice(0), ...this.#inUse);
    this.#inUse.clear();
    await this.#remove();
  }

  #make(): void {
    if (this.#closed || (this.#waiting.length === 0 && Date.now() < this.#notBefore)) return;
    const room = BATCH * BATCHES_AT_ONCE - this.#making;
    const wanted = this.#waiting.length + this.#marks.high - this.#ready.length - this.#making;
    this.#filling = wanted > room;
    for (let left = Math.min(wanted, room); left > 0; left -= BATCH) {
      const batch = this.#allocate(Math.min(left, BATCH));
      if (batch.length === 0) {
        this.#filling = false;
        break;
      }
      this.#making += batch.length;
      this.#track(this.#maker.make(batch).then((outcomes) => this.#made(batch, outcomes)));
    }
    // Nobody is left to wait for: neither one that is being made, nor one whose address comes free in a moment.
    if (this.#making === 0 && this.#leaving.length === 0 && this.#work.size === 0) {
      this.#refuse({
        errorClass: 'overloaded',
        message: `all addresses of the bridges are in use (${this.#allocator.taken})`,
        details: null,
        transient: true,
      });
    }
  }

  #allocate(count: number): Allocation[] {
    const batch: Allocation[] = [];
    while (batch.length < count) {
      const allocation = this.#allocator.take();
      if (allocation === null) break;
      batch.push(allocation);
    }
    return batch;
  }

  #made(batch: readonly Allocation[], outcomes: readonly (Error | null)[]): void {
    this.#making -= batch.length;
    let failure: Error | null = null;
    for (const [index, allocation] of batch.entries()) {
      const outcome = outcomes[index] ?? null;
      if (outcome === null) {
        this.counters.made++;
        this.#ready.push(allocation);
      } else {
        failure = outcome;
        this.counters.failed++;
        this.#allocator.give(allocation);
      }
    }
    while (this.#waiting.length > 0 && this.#ready.length > 0) {
      const allocation = this.#ready.pop() as Allocation;
      this.#inUse.add(allocation);
      (this.#waiting.shift() as AllocationTaken)(allocation, null);
    }
    if (failure === null) {
      if (this.#waiting.length > 0 || this.#filling) this.#make();
      return;
    }
    this.#filling = false;
    this.#log.warn({ reason: failure.message }, 'a network namespace could not be made');
    this.#notBefore = Date.now() + BACK_OFF_MS;
    const message = `no network namespace: ${failure.message}`;
    this.#refuse({ errorClass: 'start_failed', message, details: null, transient: true });
    this.#fillLater(BACK_OFF_MS);
  }

  #refuse(failure: ContainerFailure): void {
    for (const taken of this.#waiting.splice(0)) taken(null, failure);
  }

  #leave(allocation: Allocation): void {
    this.#leaving.push(allocation);
    if (this.#closed || this.#removeTimer !== null) return;
    this.#removeTimer = setTimeout(() => {
      this.#removeTimer = null;
      this.#track(this.#remove());
    }, REMOVE_DELAY_MS);
  }

  async #remove(): Promise<void> {
    const batch = this.#leaving;
    if (batch.length === 0) return;
    this.#leaving = [];
    try {
      await this.#maker.remove(batch);
      for (const allocation of batch) this.#allocator.give(allocation);
    } catch (error) {
      // Their addresses stay taken: something may still answer there.
      const addresses = batch.map(({ address }) => address);
      this.#log.warn({ reason: (error as Error).message, addresses }, 'network namespaces could not be removed');
    }
  }

  #fillLater(delayMs: number): void {
    if (this.#fillTimer !== null || this.#closed) return;
    this.#fillTimer = setTimeout(() => {
      this.#fillTimer = null;
      this.#make();
    }, delayMs);
    this.#fillTimer.unref();
  }

  /** One timer, and only while there is more than the low mark. */
  #watchIdle(): void {
    if (this.#closed) return;
    this.#idleTimer = setTimeout(() => {
      this.#idleTimer = null;
      if (Date.now() - this.#lastTake >= this.#marks.idleMs) {
        for (const allocation of this.#ready.splice(this.#marks.low)) this.#leave(allocation);
      } else this.#watchIdle();
    }, this.#marks.idleMs);
    this.#idleTimer.unref();
  }

  #track(work: Promise<void>): void {
    const tracked: Promise<void> = work.finally(() => {
      this.#work.delete(tracked);
      // What was removed may be what somebody waits for.
      if (this.#waiting.length > 0) this.#make();
    });
    this.#work.add(tracked);
  }
}
