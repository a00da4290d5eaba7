import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeDataFile, openDataFile } from '../src/store/data-file.js';
import type { LmdbStore } from '../src/store/lmdb-store.js';
import { openLmdbStore } from '../src/store/open-lmdb-store.js';
import { AppendOnlyFile } from './lib/append-only-file.js';
import { atLeast, type Bench, machine, median } from './lib/result.js';

/**
 * The store beside what it could be made of, in one run, interleaved: an append-only file with a checksum per record and one fdatasync for all that wait, and LMDB alone. One put with
 * its durability at a time, and 64 at once; and reading 100,000 entries back, as a start does.
 */

const VALUE = { id: 'x'.repeat(36), at: 1, body: new Uint8Array(400).fill(7) };
const BYTES = Buffer.alloc(512, 7);
const ENTRIES = 100_000;
const MAX_BYTES = 2 ** 34;

/** Puts a second, each durable before its client's next. */
async function rate(clients: number, ms: number, put: (index: number) => Promise<void>): Promise<number> {
  const start = performance.now();
  let count = 0;
  const client = async (): Promise<void> => {
    while (performance.now() - start < ms) await put(count++);
  };
  await Promise.all(Array.from({ length: clients }, client));
  return count / ((performance.now() - start) / 1000);
}

function openStore(folder: string): Promise<LmdbStore> {
  return openLmdbStore({
    folder,
    maxBytes: MAX_BYTES,
    lazyMs: 60_000,
    // Nothing here was left open, so that nothing is to be checked.
    program: { filename: '', execArgv: [] },
    log: { info: () => {}, warn: () => {} },
  });
}

/** Group commit on LMDB alone, as the store does it, without checksums, sums, state and mark. */
class BareLmdb {
  readonly #file;
  #keys: string[] = [];
  #waiting: (() => void)[] = [];
  #busy = false;

  constructor(path: string) {
    this.#file = openDataFile(path, { maxBytes: MAX_BYTES });
  }

  put(key: string): Promise<void> {
    this.#keys.push(key);
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    await null;
    while (this.#keys.length > 0) {
      const [keys, waiting] = [this.#keys, this.#waiting];
      this.#keys = [];
      this.#waiting = [];
      await this.#file.transaction(() => {
        for (const key of keys) this.#file.put(Buffer.from(key), BYTES);
      });
      for (const resolve of waiting) resolve();
    }
    this.#busy = false;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

async function timed(read: () => Promise<number>): Promise<number> {
  const start = performance.now();
  const found = await read();
  if (found !== ENTRIES) throw new Error(`${found} entries were read instead of ${ENTRIES}`);
  return performance.now() - start;
}

async function readBack(folder: string): Promise<{ store: number; lmdb: number; file: number }> {
  const store = await openStore(join(folder, 'many'));
  for (let i = 0; i < ENTRIES; i++) store.table('results').put(`r${i}`, VALUE);
  await store.close();
  await makeDataFile(
    join(folder, 'many.mdb'),
    MAX_BYTES,
    (function* () {
      for (let i = 0; i < ENTRIES; i++) yield [Buffer.from(`r${i}`), BYTES] as const;
    })(),
  );
  const log = new AppendOnlyFile(await open(join(folder, 'many.log'), 'a'));
  await Promise.all(Array.from({ length: ENTRIES }, () => log.append(BYTES)));
  await log.close();
  const figures = { store: [] as number[], lmdb: [] as number[], file: [] as number[] };
  for (let round = 0; round < 5; round++) {
    figures.store.push(
      await timed(async () => {
        const again = await openStore(join(folder, 'many'));
        let found = 0;
        for (const _entry of again.table('results').entries()) found++;
        await again.close();
        return found;
      }),
    );
    figures.lmdb.push(
      await timed(async () => {
        const file = openDataFile(join(folder, 'many.mdb'), { maxBytes: MAX_BYTES });
        let found = 0;
        for (const _entry of file.getRange({})) found++;
        await file.close();
        return found;
      }),
    );
    figures.file.push(await timed(async () => AppendOnlyFile.records(await readFile(join(folder, 'many.log'))).length));
  }
  return { store: median(figures.store), lmdb: median(figures.lmdb), file: median(figures.file) };
}

export const bench: Bench = {
  name: 'store',
  title: 'Durable puts and reading back: the store, LMDB alone, an append-only file',
  async run({ long, log }) {
    const folder = await mkdtemp(join(tmpdir(), 'iluvatar-bench-store-'));
    try {
      const store = await openStore(join(folder, 'state'));
      const lmdb = new BareLmdb(join(folder, 'bare.mdb'));
      const file = new AppendOnlyFile(await open(join(folder, 'log'), 'a'));
      const table = store.table('invocations');
      const puts: Record<string, (index: number) => Promise<void>> = {
        store: (index) => {
          table.put(`i${index}`, VALUE);
          return store.durable();
        },
        lmdb: (index) => lmdb.put(`i${index}`),
        file: () => file.append(BYTES),
      };
      const rates: Record<string, number[]> = {};
      for (let round = 0; round < (long ? 15 : 5); round++) {
        for (const clients of [1, 64]) {
          for (const [name, put] of Object.entries(puts)) {
            const value = await rate(clients, 700, put);
            log(`round ${round}, ${clients} at once, ${name}: ${value.toFixed(0)}/s`);
            const key = `${name}${clients}`;
            rates[key] = [...(rates[key] ?? []), value];
          }
        }
      }
      await store.close();
      await lmdb.close();
      await file.close();
      const of = (key: string): number => median(rates[key] as number[]);
      const read = await readBack(folder);
      return {
        name: 'store',
        machine: machine(),
        figures: {
          'durable puts/s, 1 at once': of('store1'),
          'durable puts/s, 64 at once': of('store64'),
          'ms to open and read 100,000': read.store,
        },
        floor: {
          'durable puts/s, 1 at once': of('lmdb1'),
          'durable puts/s, 64 at once': of('lmdb64'),
          'ms to open and read 100,000': read.lmdb,
        },
        ratios: {
          'durable puts/s, 1 at once': of('store1') / of('lmdb1'),
          'durable puts/s, 64 at once': of('store64') / of('lmdb64'),
          'ms to open and read 100,000': read.store / read.lmdb,
        },
        targets: [atLeast('64 at once / LMDB alone', of('store64') / of('lmdb64'), 0.5)],
        notes: [
          'floor: LMDB alone, with the same group commit',
          `an append-only file: ${of('file1').toFixed(0)} durable puts/s at 1, ${of('file64').toFixed(0)} at 64, ${read.file.toFixed(0)} ms to read 100,000`,
        ],
      };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
};
