import type { KeyRange } from './store.js';

/** One entry that is not in the file yet as it is to be. */
export interface Change {
  /** As it lies in the file: with its table. */
  readonly key: Buffer;
  /** Null = removed. */
  readonly record: Buffer | null;
}

/** Changes that are not in the file yet, by table and key. */
export class Changes {
  readonly #tables = new Map<number, Map<string, Change>>();

  get empty(): boolean {
    return this.#tables.size === 0;
  }

  /** Undefined = nothing is said of it. */
  get(table: number, key: string): Buffer | null | undefined {
    return this.#tables.get(table)?.get(key)?.record;
  }

  set(table: number, key: string, change: Change): void {
    let changes = this.#tables.get(table);
    if (changes === undefined) {
      changes = new Map();
      this.#tables.set(table, changes);
    }
    changes.set(key, change);
  }

  /** `later` goes before what is here. */
  merge(later: Changes): void {
    for (const [table, changes] of later.#tables) for (const [key, change] of changes) this.set(table, key, change);
  }

  forEach(visit: (change: Change) => void): void {
    for (const changes of this.#tables.values()) for (const change of changes.values()) visit(change);
  }

  of(table: number): Iterable<readonly [key: string, change: Change]> {
    return this.#tables.get(table) ?? [];
  }
}

export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

export function isWithin(key: string, { from = '', to }: KeyRange): boolean {
  return compareKeys(key, from) >= 0 && (to === undefined || compareKeys(key, to) < 0);
}

/** Both in order of their keys; where both have one, that of `above` counts, and null takes it away. */
export function* overlaid(
  below: Iterable<readonly [string, Buffer]>,
  above: readonly (readonly [string, Buffer | null])[],
): Iterable<readonly [string, Buffer]> {
  let next = 0;
  for (const entry of below) {
    let order = 1;
    for (; next < above.length; next++) {
      const [key, record] = above[next] as readonly [string, Buffer | null];
      order = compareKeys(key, entry[0]);
      if (order > 0) break;
      if (record !== null) yield [key, record];
      if (order === 0) {
        next++;
        break;
      }
    }
    if (order !== 0) yield entry;
  }
  for (const [key, record] of above.slice(next)) if (record !== null) yield [key, record];
}
