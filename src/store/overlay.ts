import type { KeyRange } from './store.js';

/** Changes that are not in the file yet, by table and key; null = removed. */
export class Changes {
  readonly #tables = new Map<number, Map<string, Buffer | null>>();

  get empty(): boolean {
    return this.#tables.size === 0;
  }

  /** Undefined = nothing is said of it. */
  get(table: number, key: string): Buffer | null | undefined {
    return this.#tables.get(table)?.get(key);
  }

  set(table: number, key: string, record: Buffer | null): void {
    let changes = this.#tables.get(table);
    if (changes === undefined) {
      changes = new Map();
      this.#tables.set(table, changes);
    }
    changes.set(key, record);
  }

  /** `later` goes before what is here. */
  merge(later: Changes): void {
    for (const [table, key, record] of later.all()) this.set(table, key, record);
  }

  *all(): Iterable<readonly [table: number, key: string, record: Buffer | null]> {
    for (const [table, changes] of this.#tables) for (const [key, record] of changes) yield [table, key, record];
  }

  *of(table: number): Iterable<readonly [key: string, record: Buffer | null]> {
    yield* this.#tables.get(table) ?? [];
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
