import type { FunctionRecord } from '../function-record.js';
import type { Invocation } from '../invocation.js';
import { type HeapNode, PriorityHeap } from '../priority-heap.js';
import { ArrivalList, type ArrivalNode } from './arrival-list.js';
import type { QueuePolicy } from './queue-policy.js';

interface Item extends ArrivalNode {
  readonly batch: Batch;
  /** It came back: it was chosen once already. */
  readonly returned: boolean;
}

/**
 * Which batch goes first. One whose head came back goes before all that came later. What is paused goes before what waits; not so on a GPU where it would
 * start cold while its container is free on another, but there too rather than nothing: the other may have been lost or be over its limit.
 */
const RETURNED = 0;
const WARM_HERE = 1;
const WARM_NOWHERE = 2;
const WAITING = 3;
const WARM_ELSEWHERE = 4;

/** Invocations of one function that run one after another. It waits in the heap until one of its items starts; from then on it is open. */
class Batch implements HeapNode {
  readonly fn: FunctionRecord;
  readonly items = new ArrivalList<Item>();
  priority = WAITING;
  /** Arrival number of its head. */
  order = 0;
  heapIndex = -1;
  opened = false;
  /** Of its items, started and not ended. */
  running = 0;
  /** Neighbours in the order of creation, while it waits. */
  older: Batch | null = null;
  younger: Batch | null = null;

  constructor(fn: FunctionRecord) {
    this.fn = fn;
  }
}

/**
 * Batches of one function each; the batch whose head is oldest goes first. An arrival joins the batch that was made last for its function, as long as that
 * waits, has room (`size`) and is among the `window` youngest that wait; otherwise it founds a batch.
 *
 * The engine knows nothing of batches. While an item of an open batch runs, its others are held back; when it ends they come first, so the next one finds
 * the container that has just become free.
 *
 * `push` is O(window), or O(1) without a window; `remove` and `started` are O(log b), b = batches that wait; `choose` is O(open batches of which nothing
 * runs), which are those whose tokens have just come free.
 *
 * Four policies are made of it, which is why it is longer than one of them.
 */
export class BatchQueue implements QueuePolicy {
  readonly bypassWhenEmpty = true;
  length = 0;
  readonly #size: number;
  readonly #window: number;
  readonly #waiting = new PriorityHeap<Batch>();
  readonly #latest = new Map<FunctionRecord, Batch>();
  #youngest: Batch | null = null;
  /** Open, nothing of it runs and something is left: to be continued, the longest paused first. */
  readonly #paused = new Set<Batch>();

  /** Infinity = without a bound. */
  constructor(size: number, window: number) {
    this.#size = size;
    this.#window = window;
  }

  push(invocation: Invocation): void {
    const batch = this.#joinable(invocation.fn) ?? this.#found(invocation.fn);
    batch.items.push(itemOf(invocation, batch, false));
    this.length++;
    this.#headChanged(batch);
  }

  /** Back into its batch, or into a new one that nothing joins. */
  requeue(invocation: Invocation): void {
    const batch = this.#batchToReturnTo(invocation);
    batch.items.insert(itemOf(invocation, batch, true));
    this.length++;
    this.#headChanged(batch);
  }

  choose(device: number): Invocation | null {
    let best = this.#waiting.first();
    let bestRank = best === null ? Number.POSITIVE_INFINITY : best.priority;
    for (const batch of this.#paused) {
      const rank = rankOfPaused(batch, device);
      if (rank > bestRank || (rank === bestRank && (rank !== RETURNED || batch.order > (best as Batch).order)))
        continue;
      best = batch;
      bestRank = rank;
    }
    return best?.items.head?.invocation ?? null;
  }

  remove(invocation: Invocation): void {
    const item = invocation.queueNode as Item;
    const { batch } = item;
    batch.items.remove(item);
    this.length--;
    this.#headChanged(batch);
  }

  started(invocation: Invocation): void {
    const item = invocation.queueNode as Item | null;
    if (item === null) return;
    const { batch } = item;
    batch.running++;
    batch.opened = true;
    this.#unwait(batch);
    this.#paused.delete(batch);
  }

  ended(invocation: Invocation): void {
    const item = invocation.queueNode as Item | null;
    if (item === null) return;
    const { batch } = item;
    batch.running--;
    if (batch.running === 0 && batch.items.length > 0) this.#paused.add(batch);
  }

  report(): unknown {
    return { waitingBatches: this.#waiting.length, pausedBatches: this.#paused.size };
  }

  #joinable(fn: FunctionRecord): Batch | null {
    const batch = this.#latest.get(fn);
    if (batch === undefined || batch.items.length >= this.#size) return null;
    if (this.#window === Number.POSITIVE_INFINITY) return batch;
    let seen = this.#youngest;
    for (let i = 1; i < this.#window && seen !== batch && seen !== null; i++) seen = seen.older;
    return seen === batch ? batch : null;
  }

  #batchToReturnTo(invocation: Invocation): Batch {
    const { fn } = invocation;
    const former = (invocation.queueNode as Item | null)?.batch;
    if (former !== undefined && former.items.length > 0 && former.items.length < this.#size) return former;
    const onePerFunction = this.#size === Number.POSITIVE_INFINITY && this.#window === Number.POSITIVE_INFINITY;
    if (onePerFunction) return this.#latest.get(fn) ?? this.#found(fn);
    return new Batch(fn);
  }

  #found(fn: FunctionRecord): Batch {
    const batch = new Batch(fn);
    batch.older = this.#youngest;
    if (this.#youngest !== null) this.#youngest.younger = batch;
    this.#youngest = batch;
    this.#latest.set(fn, batch);
    return batch;
  }

  /** Puts it where its head belongs; an empty one is forgotten. */
  #headChanged(batch: Batch): void {
    const { head } = batch.items;
    if (head === null) {
      this.#unwait(batch);
      this.#paused.delete(batch);
      return;
    }
    if (batch.heapIndex >= 0 && batch.order === head.invocation.id) return;
    this.#waiting.remove(batch);
    batch.priority = head.returned ? RETURNED : WAITING;
    batch.order = head.invocation.id;
    if (!batch.opened) this.#waiting.push(batch);
  }

  #unwait(batch: Batch): void {
    this.#waiting.remove(batch);
    const { fn, older, younger } = batch;
    if (older !== null) older.younger = younger;
    if (younger !== null) younger.older = older;
    else if (this.#youngest === batch) this.#youngest = older;
    batch.older = null;
    batch.younger = null;
    if (this.#latest.get(fn) === batch) this.#latest.delete(fn);
  }
}

function rankOfPaused({ fn, priority }: Batch, device: number): number {
  if (priority === RETURNED) return RETURNED;
  if (fn.warmOn(device)) return WARM_HERE;
  return fn.stateOn('gpu') === 'warm' ? WARM_ELSEWHERE : WARM_NOWHERE;
}

function itemOf(invocation: Invocation, batch: Batch, returned: boolean): Item {
  const item: Item = { invocation, previous: null, next: null, batch, returned };
  invocation.queueNode = item;
  return item;
}
