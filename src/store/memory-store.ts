import { randomUUID } from 'node:crypto';
import { compareKeys, isWithin } from './overlay.js';
import type { KeyRange, Store, Table, TableName } from './store.js';

/** A store that forgets with its process: for workers that are told to keep nothing, for tests and simulation. */
export class MemoryStore implements Store {
  readonly identity = randomUUID();
  readonly trouble = null;
  readonly commits = 0;
  readonly #tables = new Map<TableName, MemoryTable<unknown>>();

  table<Value>(name: TableName): Table<Value> {
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = new MemoryTable();
      this.#tables.set(name, table);
    }
    return table as Table<unknown> as Table<Value>;
  }

  async durable(): Promise<void> {}

  atomically(changes: () => void): void {
    changes();
  }

  async close(): Promise<void> {}
}

class MemoryTable<Value> implements Table<Value> {
  readonly #values = new Map<string, Value>();

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  put(key: string, value: Value): void {
    // A copy, as a disk would make: what the caller changes later is not what was put.
    this.#values.set(key, structuredClone(value));
  }

  remove(key: string): void {
    this.#values.delete(key);
  }

  *entries(range: KeyRange = {}): Iterable<readonly [string, Value]> {
    const keys = [...this.#values.keys()].filter((key) => isWithin(key, range));
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    for (const key of keys.sort(compareKeys)) {
      if (left-- <= 0) return;
      yield [key, this.#values.get(key) as Value];
    }
  }

  count(): number {
    return this.#values.size;
  }
}
