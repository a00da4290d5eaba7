import { IluvatarError } from '../../../../src/core/errors.js';
import { MemoryStore } from '../../../../src/store/memory-store.js';
import { type KeyRange, type Store, TABLE_NAMES, type Table, type TableName } from '../../../../src/store/store.js';

type Change = { table: TableName; key: string; value: unknown; removed: boolean };

/**
 * A store whose machine can lose power at a chosen moment: what was put since the last `durable()` is then gone, or, since nothing is promised of it, there up to some
 * point. It can also refuse to write. Steps of `atomically` stay whole.
 */
export class LossyStore implements Store {
  readonly identity = 'lossy';
  trouble: string | null = null;
  /** Commits since the start. */
  commits = 0;
  readonly #disk: MemoryStore;
  readonly #seen: MemoryStore;
  #pending: Change[][] = [];
  #step: Change[] | null = null;
  #dead = false;
  #commit: Promise<void> | null = null;

  constructor(disk = new MemoryStore()) {
    this.#disk = disk;
    this.#seen = copyOf(disk);
  }

  /** Loses power. The store that is on the disk then, of which this one is no part any more; `keep` of the steps that were not durable are there all the same. */
  crash(keep = 0): LossyStore {
    this.#dead = true;
    for (const step of this.#pending.slice(0, keep)) apply(this.#disk, step);
    return new LossyStore(this.#disk);
  }

  /** Steps that a crash may lose. */
  get pending(): number {
    return this.#pending.length;
  }

  table<Value>(name: TableName): Table<Value> {
    const table = this.#seen.table<Value>(name);
    return {
      get: (key) => table.get(key),
      entries: (range?: KeyRange) => table.entries(range),
      count: () => table.count(),
      put: (key, value) => this.#change({ table: name, key, value, removed: false }),
      remove: (key) => this.#change({ table: name, key, value: undefined, removed: true }),
    };
  }

  /** One promise for all that share a commit, as the store on disk has it. */
  durable(): Promise<void> {
    if (this.#dead) return Promise.reject(new IluvatarError('unavailable', 'the machine has no power'));
    this.#commit ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => this.#write());
    return this.#commit;
  }

  atomically(changes: () => void): void {
    if (this.#dead) throw new IluvatarError('unavailable', 'the machine has no power');
    const step: Change[] = [];
    this.#step = step;
    try {
      changes();
    } finally {
      this.#step = null;
    }
    this.#pending.push(step);
  }

  async close(): Promise<void> {
    if (!this.#dead) await this.durable();
    this.#dead = true;
  }

  #write(): void {
    this.#commit = null;
    if (this.#dead) throw new IluvatarError('unavailable', 'the machine has no power');
    if (this.trouble !== null) throw new IluvatarError('unavailable', this.trouble);
    for (const step of this.#pending) apply(this.#disk, step);
    this.#pending = [];
    this.commits++;
  }

  #change(change: Change): void {
    if (this.#dead) return;
    apply(this.#seen, [change]);
    if (this.#step === null) this.#pending.push([change]);
    else this.#step.push(change);
  }
}

function apply(store: MemoryStore, step: readonly Change[]): void {
  for (const { table, key, value, removed } of step) {
    if (removed) store.table(table).remove(key);
    else store.table(table).put(key, value);
  }
}

function copyOf(store: MemoryStore): MemoryStore {
  const copy = new MemoryStore();
  for (const table of TABLE_NAMES) {
    for (const [key, value] of store.table(table).entries()) copy.table(table).put(key, value);
  }
  return copy;
}
