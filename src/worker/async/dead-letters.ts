import type { DeadLetter, DeadLetterSelection } from '../../config/api.js';
import { IluvatarError } from '../../core/errors.js';
import type { Store, Table } from '../../store/store.js';
import { readable } from './payload.js';
import type { AcceptedRecord, DeadLetterRecord, ResultRecord } from './records.js';

export interface DeadLetterLimits {
  readonly keepMs: number;
  readonly max: number;
}

/** A row of the store and its key. */
export interface DeadLetterRow {
  readonly key: string;
  readonly record: DeadLetterRecord;
}

export interface Claim {
  readonly accepted: AcceptedRecord;
  apply(): void;
  undo(): void;
  done(replayed: boolean): void;
}

interface FunctionFilter {
  readonly name?: string | undefined;
  readonly version?: string | undefined;
}

/** Invocations that failed in all their attempts, with their arguments: to be looked at, run again, or thrown away. In the order of their death. */
export class DeadLetters {
  readonly #table: Table<DeadLetterRecord>;
  readonly #limits: DeadLetterLimits;
  /** The oldest first; without their arguments. */
  readonly #letters = new Map<string, { readonly key: string; readonly letter: DeadLetter }>();
  readonly #claimed = new Set<string>();
  #seq = 0;

  constructor(store: Store, limits: DeadLetterLimits) {
    this.#table = store.table<DeadLetterRecord>('deadLetters');
    this.#limits = limits;
  }

  get count(): number {
    return this.#letters.size;
  }

  /** What an earlier life of the worker has left. */
  load(): void {
    for (const [key, record] of this.#table.entries()) {
      this.#letters.set(record.accepted.id, { key, letter: describe(record) });
      this.#seq = Math.max(this.#seq, Number.parseInt(key, 10));
    }
  }

  make(accepted: AcceptedRecord | undefined, { attempts, finishedAt, error }: ResultRecord): DeadLetterRow {
    if (accepted === undefined) throw new Error('the arguments of an invocation that dies are not in the store');
    const cause = error ?? { errorClass: 'internal', message: 'of unknown cause', details: null };
    const key = `${String(++this.#seq).padStart(16, '0')}/${accepted.id}`;
    return { key, record: { accepted, attempts, diedAt: finishedAt, error: cause } };
  }

  /** To be called where the store takes changes. */
  put({ key, record }: DeadLetterRow): void {
    this.#table.put(key, record);
  }

  /** It is on the disk. */
  show({ key, record }: DeadLetterRow): void {
    this.#letters.set(record.accepted.id, { key, letter: describe(record) });
    for (const oldest of this.#letters.keys()) {
      if (this.#letters.size <= this.#limits.max) break;
      this.remove(oldest);
    }
  }

  list(filter: FunctionFilter, limit = Number.POSITIVE_INFINITY): DeadLetter[] {
    const found: DeadLetter[] = [];
    for (const { letter } of this.#letters.values()) {
      if (found.length >= limit) break;
      if (matches(letter, filter)) found.push(letter);
    }
    return found;
  }

  find(id: string): DeadLetter | null {
    return this.#letters.get(id)?.letter ?? null;
  }

  /** As it is stored. Throws `not_found`. */
  get(id: string): DeadLetterRecord {
    const found = this.#letters.get(id);
    const record = found === undefined ? undefined : this.#table.get(found.key);
    if (record === undefined) throw new IluvatarError('not_found', `no dead letter "${id}"`);
    return record;
  }

  /** With its arguments: as JSON where they are that, else as text. Throws `not_found`. */
  describe(id: string): DeadLetter & { arguments: unknown } {
    const record = this.get(id);
    return { ...describe(record), arguments: readable(record.accepted.args) };
  }

  /** Ids, the oldest first. Throws `not_found` for one id that is not there. */
  select({ id, name, version }: DeadLetterSelection): string[] {
    return id === undefined ? this.list({ name, version }).map((letter) => letter.id) : [this.get(id).accepted.id];
  }

  /** In the store, once that says so. */
  remove(id: string): void {
    const found = this.#letters.get(id);
    if (found === undefined) return;
    this.#letters.delete(id);
    this.#table.remove(found.key);
  }

  /**
   * Claims one to be run again: `apply` and `undo` are for the store's step, `done` for when that is on the disk. Throws `not_found`, and `conflict` while
   * somebody else has claimed it.
   */
  claim(id: string): Claim {
    const record = this.get(id);
    const { key } = this.#letters.get(id) as { key: string };
    if (this.#claimed.has(id)) throw new IluvatarError('conflict', `dead letter "${id}" is being run again`);
    this.#claimed.add(id);
    return {
      accepted: record.accepted,
      apply: () => this.#table.remove(key),
      undo: () => this.#table.put(key, record),
      done: (replayed) => {
        this.#claimed.delete(id);
        if (replayed) this.#letters.delete(id);
      },
    };
  }

  expire(now: number): void {
    for (const [id, { letter }] of this.#letters) {
      if (letter.diedAt + this.#limits.keepMs > now) break;
      this.remove(id);
    }
  }
}

function describe({ accepted, attempts, diedAt, error }: DeadLetterRecord): DeadLetter {
  const { id, name, version, acceptedAt, args } = accepted;
  return { id, name, version, attempts, acceptedAt, diedAt, error, size: args.length };
}

function matches(letter: DeadLetter, { name, version }: FunctionFilter): boolean {
  return (name === undefined || letter.name === name) && (version === undefined || letter.version === version);
}
