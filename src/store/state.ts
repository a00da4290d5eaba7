import { decodeRecord, encodeRecord, storedChecksum } from './record.js';

/**
 * What a store knows of itself, an entry like the others, written with every commit. The sum of all entries' checksums and their number per table tell that none is missing and
 * none is an older one: LMDB itself keeps no checksum, and a damaged pointer may lead to a page that was once right.
 */
export interface StoreState {
  /** Of the last commit. */
  readonly sequence: number;
  readonly schema: number;
  readonly identity: string;
  /** By number of the table. */
  readonly counts: Readonly<Record<number, number>>;
  /** Of the checksums of all entries but this, modulo 2^48. */
  readonly sum: number;
}

export const STATE_KEY = Buffer.of(0);

export function encodeState(state: StoreState): Buffer {
  return encodeRecord(STATE_KEY, state);
}

/** Throws a DamagedRecord. */
export function decodeState(record: Buffer): StoreState {
  const { counts, ...state } = decodeRecord<StoreState>(STATE_KEY, record);
  return { ...state, counts: Object.fromEntries(Object.entries(counts)) };
}

const MODULUS = 2 ** 48;

/** Counts and sum while entries come and go. */
export class Tally {
  readonly counts: Record<number, number>;
  sum: number;

  constructor({ counts, sum }: Pick<StoreState, 'counts' | 'sum'> = { counts: {}, sum: 0 }) {
    this.counts = { ...counts };
    this.sum = sum;
  }

  add(key: Buffer, record: Buffer): void {
    this.#count(key, 1);
    this.sum = (this.sum + storedChecksum(record)) % MODULUS;
  }

  remove(key: Buffer, record: Buffer): void {
    this.#count(key, -1);
    this.sum = (this.sum - storedChecksum(record) + MODULUS) % MODULUS;
  }

  /** What differs, in words; null = nothing. */
  difference({ counts, sum }: Pick<StoreState, 'counts' | 'sum'>): string | null {
    for (const table of new Set([...Object.keys(counts), ...Object.keys(this.counts)].map(Number))) {
      const [found, expected] = [this.counts[table] ?? 0, counts[table] ?? 0];
      if (found !== expected) return `table ${table} has ${found} entries instead of ${expected}`;
    }
    return this.sum === sum ? null : 'some entries are not the latest ones';
  }

  #count(key: Buffer, by: number): void {
    const table = key[0] ?? 0;
    this.counts[table] = (this.counts[table] ?? 0) + by;
  }
}
