import type { DataFile } from './data-file.js';
import { type Change, type Changes, compareKeys, isWithin, overlaid } from './overlay.js';
import { decodeRecord, encodeRecord, keyText, recordKey } from './record.js';
import type { KeyRange, Table } from './store.js';

/** One table: what the file has, under what is on its way there. */
export interface LmdbTableParts {
  readonly number: number;
  readonly file: DataFile;
  /** Later ones count more. */
  layers(): readonly Changes[];
  /** Entries in the file. */
  count(): number;
  change(key: string, change: Change): void;
}

export class LmdbTable<Value> implements Table<Value> {
  readonly #parts: LmdbTableParts;

  constructor(parts: LmdbTableParts) {
    this.#parts = parts;
  }

  get(key: string): Value | undefined {
    const { number, file } = this.#parts;
    const bytes = recordKey(number, key);
    const changed = this.#changed(key);
    const record = changed === undefined ? file.get(bytes) : changed;
    return record === null || record === undefined ? undefined : decodeRecord<Value>(bytes, record);
  }

  put(key: string, value: Value): void {
    const { number, change } = this.#parts;
    const bytes = recordKey(number, key);
    change(key, { key: bytes, record: encodeRecord(bytes, value) });
  }

  remove(key: string): void {
    this.#parts.change(key, { key: recordKey(this.#parts.number, key), record: null });
  }

  *entries(range: KeyRange = {}): Iterable<readonly [string, Value]> {
    const { number } = this.#parts;
    let left = range.limit ?? Number.POSITIVE_INFINITY;
    if (left <= 0) return;
    for (const [key, record] of overlaid(this.#inFile(range), this.#above(range))) {
      yield [key, decodeRecord<Value>(recordKey(number, key), record)];
      if (--left <= 0) return;
    }
  }

  count(): number {
    const { number, file } = this.#parts;
    let count = this.#parts.count();
    for (const [key, record] of this.#above({})) {
      const there = file.doesExist(recordKey(number, key));
      if (there && record === null) count--;
      if (!there && record !== null) count++;
    }
    return count;
  }

  #changed(key: string): Buffer | null | undefined {
    return this.#parts
      .layers()
      .reduceRight<Buffer | null | undefined>(
        (found, layer) => (found === undefined ? layer.get(this.#parts.number, key) : found),
        undefined,
      );
  }

  /** Changes within the range, in order. */
  #above(range: KeyRange): (readonly [string, Buffer | null])[] {
    const changes = new Map<string, Buffer | null>();
    for (const layer of this.#parts.layers()) {
      for (const [key, { record }] of layer.of(this.#parts.number)) if (isWithin(key, range)) changes.set(key, record);
    }
    return [...changes].sort(([a], [b]) => compareKeys(a, b));
  }

  *#inFile({ from = '', to }: KeyRange): Iterable<readonly [string, Buffer]> {
    const { number, file } = this.#parts;
    const start = recordKey(number, from);
    const end = to === undefined ? Buffer.of(number + 1) : recordKey(number, to);
    for (const { key, value } of file.getRange({ start, end })) yield [keyText(key), value];
  }
}
