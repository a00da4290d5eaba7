import type { ContainerFailure } from '../core/ports.js';

/**
 * Namespaces made ahead, so that taking one costs nothing: between a low and a high mark while they are used, down to the low one when
 * they are not. Filled and emptied in batches in the background, since a namespace takes the kernel a millisecond and a link's end twenty.
 */
export interface Maker<Item> {
  /** One outcome each, in order; null = made. Never rejects. */
  make(items: readonly Item[]): Promise<(Error | null)[]>;
  remove(items: readonly Item[]): Promise<void>;
}

/** Names what is to be made; one is out until it is given back. */
export interface Supply<Item> {
  /** null = there is no more until one comes back. */
  take(): Item | null;
  give(item: Item): void;
  readonly taken: number;
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

/** Told of how the pool does, where somebody watches over it: it then logs in the pool's place. */
export interface PoolActivity {
  running(): void;
  failed(cause: 'error', reason: string): void;
}

export interface PoolOwner {
  /** Every one is out and somebody waits: true = one that is kept ready elsewhere will be given back. */
  recall(): boolean;
  /** There was no more to be had, or one will never come back: whoever counts on them counts anew. */
  short(): void;
}

/** Exactly one of the two is null. May be called from inside `take`. */
export type ItemTaken<Item> = (item: Item | null, failure: ContainerFailure | null) => void;

interface Waiting<Item> {
  readonly taken: ItemTaken<Item>;
  readonly urgent: boolean;
}

const BATCH = 16;
/** The kernel makes one link at a time, and the threads that wait for it are those that read files too. */
const BATCHES_AT_ONCE = 2;
/** What ends together is removed together. */
const REMOVE_DELAY_MS = 20;
/** Behind the start that took the last one. */
const FILL_DELAY_MS = 5;
const BACK_OFF_MS = 1_000;

export class NamespacePool<Item extends object> {
  readonly #supply: Supply<Item>;
  readonly #maker: Maker<Item>;
  readonly #marks: PoolMarks;
  readonly #log: PoolLog;
  readonly #owner: PoolOwner | null;
  readonly #activity: PoolActivity | null;
  readonly #ready: Item[] = [];
  readonly #waiting: Waiting<Item>[] = [];
  readonly #inUse = new Set<Item>();
  readonly #work = new Set<Promise<void>>();
  #leaving: Item[] = [];
  /** Recalled, and not given back yet. */
  #recalled = 0;
  /** Could not be removed, and stay taken. */
  lost = 0;
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

  constructor(
    supply: Supply<Item>,
    maker: Maker<Item>,
    marks: PoolMarks,
    log: PoolLog,
    owner: PoolOwner | null = null,
    activity: PoolActivity | null = null,
  ) {
    this.#activity = activity;
    this.#supply = supply;
    this.#maker = maker;
    this.#marks = marks;
    this.#log = log;
    this.#owner = owner;
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

  /** `urgent`: somebody waits for it, who comes before what is only made ahead. */
  take(taken: ItemTaken<Item>, urgent = true): void {
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
    this.#waiting.push({ taken, urgent });
    this.#make();
  }

  /** In use from the beginning: made in an earlier life, and known to the supply as taken. */
  adopt(item: Item): void {
    this.#inUse.add(item);
  }

  /** Nothing runs in it any more. Never handed out again: what a container left in it would be the next one's. */
  give(item: Item): void {
    if (!this.#inUse.delete(item)) throw new Error('what is given back is not in use');
    this.#recalled = Math.max(0, this.#recalled - 1);
    this.#leave(item);
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
    if (this.#waiting.length > 0 && this.#making === 0 && this.#leaving.length === 0 && this.#work.size === 0)
      this.#short();
  }

  /** Nothing is being made, and nothing comes free in a moment: what others keep ready has to do. */
  #short(): void {
    const urgent = this.#waiting.filter(({ urgent }) => urgent).length;
    while (this.#recalled < urgent && this.#owner?.recall() === true) this.#recalled++;
    let waitOn = this.#recalled;
    const refused = this.#waiting.splice(0).filter((one) => {
      if (!one.urgent || waitOn-- <= 0) return true;
      this.#waiting.push(one);
      return false;
    });
    const message = `all addresses of the bridges are in use (${this.#supply.taken})`;
    for (const { taken } of refused) taken(null, { errorClass: 'overloaded', message, details: null, transient: true });
    if (refused.some(({ urgent }) => urgent)) this.#owner?.short();
  }

  #allocate(count: number): Item[] {
    const batch: Item[] = [];
    while (batch.length < count) {
      const item = this.#supply.take();
      if (item === null) break;
      batch.push(item);
    }
    return batch;
  }

  #made(batch: readonly Item[], outcomes: readonly (Error | null)[]): void {
    this.#making -= batch.length;
    let failure: Error | null = null;
    for (const [index, item] of batch.entries()) {
      const outcome = outcomes[index] ?? null;
      if (outcome === null) {
        this.counters.made++;
        this.#ready.push(item);
      } else {
        failure = outcome;
        this.counters.failed++;
        this.#supply.give(item);
      }
    }
    while (this.#waiting.length > 0 && this.#ready.length > 0) {
      const item = this.#ready.pop() as Item;
      this.#inUse.add(item);
      this.#next().taken(item, null);
    }
    if (failure === null) {
      this.#activity?.running();
      if (this.#waiting.length > 0 || this.#filling) this.#make();
      return;
    }
    this.#filling = false;
    this.#failed({ reason: failure.message }, 'a network namespace could not be made');
    this.#notBefore = Date.now() + BACK_OFF_MS;
    const message = `no network namespace: ${failure.message}`;
    this.#refuse({ errorClass: 'start_failed', message, details: null, transient: true });
    this.#fillLater(BACK_OFF_MS);
  }

  /** Who waits longest of the urgent ones, else of all. */
  #next(): Waiting<Item> {
    const index = Math.max(
      0,
      this.#waiting.findIndex(({ urgent }) => urgent),
    );
    return this.#waiting.splice(index, 1)[0] as Waiting<Item>;
  }

  #refuse(failure: ContainerFailure): void {
    for (const { taken } of this.#waiting.splice(0)) taken(null, failure);
  }

  #leave(item: Item): void {
    this.#leaving.push(item);
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
      for (const item of batch) this.#supply.give(item);
    } catch (error) {
      // Their addresses stay taken: something may still answer there.
      this.lost += batch.length;
      this.#failed(
        { reason: (error as Error).message, count: batch.length },
        'network namespaces could not be removed',
      );
      this.#owner?.short();
    }
  }

  #failed(fields: { readonly reason: string; readonly count?: number }, message: string): void {
    if (this.#activity === null) this.#log.warn(fields, message);
    else this.#activity.failed('error', `${message}: ${fields.reason}`);
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
        for (const item of this.#ready.splice(this.#marks.low)) this.#leave(item);
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
