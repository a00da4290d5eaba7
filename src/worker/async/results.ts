import type { AsyncInvocation } from '../../config/api.js';
import { type HeapNode, PriorityHeap } from '../../core/priority-heap.js';
import type { Store, Table } from '../../store/store.js';
import { textOf, toInvokeResult } from './payload.js';
import type { ResultRecord } from './records.js';

export interface ResultLimits {
  readonly maxBytes: number;
}

interface Kept extends HeapNode {
  readonly id: string;
  readonly bytes: number;
  /** A webhook has not told it yet: it stays. */
  pinned: boolean;
}

/**
 * Results of ended invocations: read as often as wanted, kept until they expire or, the oldest first, until all together are too large. What is known here is on the
 * disk; an index of sizes and times is in memory, the results themselves are not.
 */
export class Results {
  readonly #table: Table<ResultRecord>;
  readonly #limits: ResultLimits;
  /** The oldest end first. */
  readonly #kept = new Map<string, Kept>();
  readonly #byExpiry = new PriorityHeap<Kept>();
  #order = 0;
  #bytes = 0;

  constructor(store: Store, limits: ResultLimits) {
    this.#table = store.table<ResultRecord>('results');
    this.#limits = limits;
  }

  get count(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What an earlier life of the worker has left. */
  load(): void {
    const records = [...this.#table.entries()].map(([, record]) => ({ record, at: record.finishedAt }));
    for (const { record } of records.sort((a, b) => a.at - b.at)) this.#index(record);
  }

  /** To be called where the store takes changes. */
  put(record: ResultRecord): void {
    this.#table.put(record.id, record);
  }

  /** It is on the disk: from now on it can be read. */
  show(record: ResultRecord, pinned: boolean): void {
    this.#index(record).pinned = pinned;
    for (const kept of this.#kept.values()) {
      if (this.#bytes <= this.#limits.maxBytes) break;
      // What has just come is told at least to those that wait for it now.
      if (!kept.pinned && kept.id !== record.id) this.#forget(kept);
    }
  }

  get(id: string): ResultRecord | null {
    return this.#kept.has(id) ? (this.#table.get(id) ?? null) : null;
  }

  pin(id: string, pinned: boolean): void {
    const kept = this.#kept.get(id);
    if (kept !== undefined) kept.pinned = pinned;
  }

  /** Removes what has been kept long enough. */
  expire(now: number): void {
    const again: Kept[] = [];
    for (let first = this.#byExpiry.first(); first !== null && first.priority <= now; first = this.#byExpiry.first()) {
      if (first.pinned) {
        this.#byExpiry.remove(first);
        again.push(first);
      } else this.#forget(first);
    }
    for (const kept of again) this.#byExpiry.push(kept);
  }

  #index(record: ResultRecord): Kept {
    const old = this.#kept.get(record.id);
    if (old !== undefined) this.#drop(old);
    const kept: Kept = {
      id: record.id,
      bytes: sizeOf(record),
      pinned: false,
      priority: record.expiresAt,
      order: ++this.#order,
      heapIndex: -1,
    };
    this.#kept.set(record.id, kept);
    this.#byExpiry.push(kept);
    this.#bytes += kept.bytes;
    return kept;
  }

  #drop(kept: Kept): void {
    this.#kept.delete(kept.id);
    this.#byExpiry.remove(kept);
    this.#bytes -= kept.bytes;
  }

  #forget(kept: Kept): void {
    this.#drop(kept);
    this.#table.remove(kept.id);
  }
}

/** What it is counted as: its body, what it printed, and a little for the rest. */
function sizeOf({ body, about, error }: ResultRecord): number {
  const printed = about === null ? 0 : about.stdout.length + about.stderr.length;
  return body.length + printed + (error === null ? 0 : JSON.stringify(error).length) + 256;
}

/** As it is shown, and as webhooks get it. */
export function documentOf(record: ResultRecord): AsyncInvocation {
  const { id, name, version, status, attempts, acceptedAt, finishedAt, error, about, body } = record;
  const result = about === null ? null : toInvokeResult(about, textOf(body));
  return { id, status, name, version, attempts, acceptedAt, finishedAt, result, error };
}
