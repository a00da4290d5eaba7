import { createHash } from 'node:crypto';
import { IluvatarError } from '../../core/errors.js';
import type { Store, Table } from '../../store/store.js';
import type { IdempotencyRecord } from './records.js';

interface Known {
  record: IdempotencyRecord;
  /** Its invocation has not ended: the key stays, however old it is. */
  open: boolean;
}

/**
 * Idempotency keys, each of one function: the same key with the same arguments is the same invocation. Remembered for a configured time from acceptance, and until the
 * invocation has ended in any case.
 */
export class IdempotencyKeys {
  readonly #table: Table<IdempotencyRecord>;
  readonly #keepMs: number;
  readonly #now: () => number;
  /** In the order of acceptance, and so of expiry. */
  readonly #known = new Map<string, Known>();

  constructor(store: Store, keepMs: number, now: () => number) {
    this.#table = store.table<IdempotencyRecord>('idempotency');
    this.#keepMs = keepMs;
    this.#now = now;
  }

  get count(): number {
    return this.#known.size;
  }

  /** `open`: keys of unfinished invocations. */
  load(open: ReadonlySet<string>): void {
    const rows = [...this.#table.entries()].sort(([, a], [, b]) => a.expiresAt - b.expiresAt);
    for (const [key, record] of rows) this.#known.set(key, { record, open: open.has(key) });
  }

  /** The id of the invocation with this key; null = there is none. Throws `conflict` where it has other arguments. */
  find(key: string, payload: string): string | null {
    this.expire();
    const known = this.#known.get(key);
    if (known === undefined || (!known.open && known.record.expiresAt <= this.#now())) return null;
    if (known.record.payload !== payload) {
      throw new IluvatarError('conflict', 'this idempotency key was used with other arguments');
    }
    return known.record.id;
  }

  /** To be put where the store takes changes. */
  claim(key: string, id: string, payload: string): IdempotencyRecord {
    const record = { id, payload, expiresAt: this.#now() + this.#keepMs };
    this.#known.delete(key);
    this.#known.set(key, { record, open: true });
    return record;
  }

  put(key: string, record: IdempotencyRecord): void {
    this.#table.put(key, record);
  }

  /** Its invocation was not accepted after all. */
  release(key: string): void {
    this.#known.delete(key);
    this.#table.remove(key);
  }

  /** Until when it is remembered: so long the result of its invocation should be, too; ms since 1970. */
  expiry(key: string): number {
    return this.#known.get(key)?.record.expiresAt ?? 0;
  }

  /** Its invocation has ended. */
  ended(key: string): void {
    const known = this.#known.get(key);
    if (known !== undefined) known.open = false;
  }

  expire(): void {
    const now = this.#now();
    for (const [key, { record, open }] of this.#known) {
      if (record.expiresAt > now) break;
      if (open) continue;
      this.#known.delete(key);
      this.#table.remove(key);
    }
  }
}

/** A row's key. `scope` keeps apart the keys of users and those that the worker makes; nothing that a user may choose is part of a key of the store as it is. */
export function idempotencyKey(scope: 'user' | 'schedule', name: string, version: string, key: string): string {
  return createHash('sha256')
    .update(JSON.stringify([scope, name, version, key]))
    .digest('hex');
}

export function payloadHash(args: Uint8Array): string {
  return createHash('sha256').update(args).digest('hex');
}
