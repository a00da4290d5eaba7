import { pauseAfter } from '../core/creation/back-off.js';
import { failpoint } from '../failpoints.js';
import { commit, type DataFile, insert } from './data-file.js';
import { LmdbTable } from './lmdb-table.js';
import { type Change, Changes } from './overlay.js';
import { TABLE_NUMBERS } from './record.js';
import { encodeState, STATE_KEY, type StoreState, Tally } from './state.js';
import type { Store, Table, TableName } from './store.js';
import { storeError, troubleText } from './trouble.js';
import { digestOf, type Watermark } from './watermark.js';

/**
 * The store on disk. Changes gather in memory; a commit takes all there are, in one transaction with the store's own state, and has been synced when it resolves. While one is under way
 * the next gathers: everybody who asks for `durable()` meanwhile shares it. What nobody asks for is written a little later.
 */

export interface LmdbStoreParts {
  readonly file: DataFile;
  readonly path: string;
  readonly folder: string;
  readonly state: StoreState;
  readonly watermark: Watermark;
  /** What nobody waits for is on the disk so soon, and what failed is tried again, then after twice the time; ms. */
  readonly lazyMs: number;
}

const LAST_RETRY_MS = 15_000;

/** Of all who wait for one commit: a promise of its own for each would cost as much as its put. */
interface Waiting {
  readonly promise: Promise<void>;
  resolve(): void;
  reject(error: Error): void;
}

export class LmdbStore implements Store {
  readonly #parts: LmdbStoreParts;
  readonly #tables = new Map<TableName, LmdbTable<unknown>>();
  #state: StoreState;
  #gathering = new Changes();
  /** Those of the commit under way. */
  #writing = new Changes();
  #waiting: Waiting | null = null;
  #running: Promise<void> | null = null;
  #lazy: NodeJS.Timeout | null = null;
  #trouble: string | null = null;
  #schema: number;
  /** In a row. */
  #failures = 0;

  constructor(parts: LmdbStoreParts) {
    this.#parts = parts;
    this.#state = parts.state;
    this.#schema = parts.state.schema;
  }

  get identity(): string {
    return this.#state.identity;
  }

  get trouble(): string | null {
    return this.#trouble;
  }

  get commits(): number {
    return this.#state.sequence;
  }

  table<Value>(name: TableName): Table<Value> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      const number = TABLE_NUMBERS[name];
      table = new LmdbTable({
        number,
        file: this.#parts.file,
        layers: () => [this.#writing, this.#gathering],
        count: () => this.#state.counts[number] ?? 0,
        change: (key, change) => this.#change(number, key, change),
      });
      this.#tables.set(name, table);
    }
    return table as LmdbTable<unknown> as Table<Value>;
  }

  durable(): Promise<void> {
    if (this.#gathering.empty && this.#running === null) return Promise.resolve();
    this.#waiting ??= newWaiting();
    const { promise } = this.#waiting;
    this.#run();
    return promise;
  }

  atomically(changes: () => void): void {
    const before = this.#gathering;
    this.#gathering = new Changes();
    try {
      changes();
      before.merge(this.#gathering);
    } finally {
      // A commit takes all that has gathered, so what was put within one turn is together anyway; thrown away is what did not come to its end.
      this.#gathering = before;
    }
  }

  /** The number is written with the next commit, and so together with what was put before it. */
  migrated(version: number): void {
    this.#schema = version;
  }

  /** Never rejects: what could not be written is lost, and `trouble` says why. */
  async close(): Promise<void> {
    await this.durable().catch(() => undefined);
    await this.#running;
    if (this.#lazy !== null) clearTimeout(this.#lazy);
    const { file, path, watermark } = this.#parts;
    await file.close();
    try {
      watermark.sealed({ sequence: this.#state.sequence, digest: await digestOf(path) });
      failpoint('store.closed');
    } catch (error) {
      // The next start then reads the whole file.
      this.#trouble = troubleText(error, this.#parts.folder);
    } finally {
      watermark.close();
    }
  }

  #change(table: number, key: string, change: Change): void {
    this.#gathering.set(table, key, change);
    if (this.#running === null) this.#later();
  }

  #later(): void {
    if (this.#lazy !== null) return;
    const { lazyMs } = this.#parts;
    const delay = pauseAfter(this.#failures, lazyMs, Math.max(lazyMs, LAST_RETRY_MS));
    this.#lazy = setTimeout(() => {
      this.#lazy = null;
      this.durable().catch(() => undefined);
    }, delay);
    this.#lazy.unref();
  }

  #run(): void {
    this.#running ??= this.#commits();
  }

  async #commits(): Promise<void> {
    // What else is asked for in this turn goes into the same commit.
    await null;
    while (this.#waiting !== null) {
      const waiting: Waiting = this.#waiting;
      this.#waiting = null;
      try {
        await this.#commit();
        this.#trouble = null;
        this.#failures = 0;
        waiting.resolve();
      } catch (error) {
        this.#trouble = troubleText(error, this.#parts.folder);
        this.#failures++;
        waiting.reject(storeError(error, this.#parts.folder));
      }
    }
    // In the same turn as the last look at who waits: whoever asks after it begins anew.
    this.#running = null;
    if (!this.#gathering.empty) this.#later();
  }

  async #commit(): Promise<void> {
    if (this.#gathering.empty) return;
    const { file, watermark } = this.#parts;
    const writing = this.#gathering;
    this.#writing = writing;
    this.#gathering = new Changes();
    failpoint('store.commit.before');
    try {
      const state = await commit(file, () => this.#write(writing));
      watermark.committed(state.sequence);
      this.#state = state;
    } catch (error) {
      // They are tried again with the next commit, unless something newer has come for the same key.
      writing.merge(this.#gathering);
      this.#gathering = writing;
      throw error;
    } finally {
      this.#writing = new Changes();
    }
    failpoint('store.commit.after');
  }

  /** Inside a transaction. */
  #write(writing: Changes): StoreState {
    const { file } = this.#parts;
    const tally = new Tally(this.#state);
    writing.forEach(({ key, record }) => {
      if (record !== null) tally.add(key, record);
      // Most of what is put is new: one way down the tree instead of two.
      if (record !== null && insert(file, key, record)) return;
      const old = file.get(key);
      if (old !== undefined) tally.remove(key, old);
      if (record !== null) file.put(key, record);
      else if (old !== undefined) file.remove(key);
    });
    const { identity, sequence } = this.#state;
    const { counts, sum } = tally;
    const state = { sequence: sequence + 1, schema: this.#schema, identity, counts, sum };
    file.put(STATE_KEY, encodeState(state));
    return state;
  }
}

function newWaiting(): Waiting {
  let resolve: () => void = () => {};
  let reject: (error: Error) => void = () => {};
  const promise = new Promise<void>((fulfilled, rejected) => {
    resolve = fulfilled;
    reject = rejected;
  });
  return { promise, resolve, reject };
}
