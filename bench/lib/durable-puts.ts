import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MemoryStore } from '../../src/store/memory-store.js';
import type { Store } from '../../src/store/store.js';

/** What a durable acceptance stands on: the worker's store, and LMDB alone below it. Where this tree has no store on a disk the one in memory stands in, and there is no floor. */

export interface Puts {
  /** Resolves once it is on the disk; all that wait at the same time share a commit. */
  put(key: string, value: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

const MAX_BYTES = 2 ** 34;
// In variables: neither has to be there for this to compile.
const STORE_MODULE: string = '../../src/store/open-lmdb-store.js';
const LMDB_MODULE: string = 'lmdb';

/** `onDisk` false = it forgets. */
export async function openStore(folder: string): Promise<{ store: Store; onDisk: boolean }> {
  const module = await import(STORE_MODULE).catch(() => null);
  if (module === null) return { store: new MemoryStore(), onDisk: false };
  const store = await module.openLmdbStore({
    folder: join(folder, 'state'),
    maxBytes: MAX_BYTES,
    lazyMs: 60_000,
    program: { filename: fileURLToPath(new URL('../../src/store/check-program.ts', import.meta.url)), execArgv: [] },
    log: { info: () => {}, warn: () => {} },
  });
  return { store, onDisk: true };
}

/** LMDB with a group commit and nothing else; null = it is not installed. */
export async function openBareLmdb(folder: string): Promise<Puts | null> {
  const module = await import(LMDB_MODULE).catch(() => null);
  if (module === null) return null;
  const file = module.open({
    path: join(folder, 'bare.mdb'),
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: MAX_BYTES,
    overlappingSync: false,
    eventTurnBatching: false,
  });
  let gathered: { key: Buffer; value: Uint8Array; resolve(): void }[] = [];
  let busy = false;
  const run = async (): Promise<void> => {
    busy = true;
    await null;
    while (gathered.length > 0) {
      const writing = gathered;
      gathered = [];
      await file.transaction(() => {
        for (const { key, value } of writing) file.put(key, Buffer.from(value));
      });
      for (const { resolve } of writing) resolve();
    }
    busy = false;
  };
  return {
    put: (key, value) =>
      new Promise((resolve) => {
        gathered.push({ key: Buffer.from(key), value, resolve });
        if (!busy) void run();
      }),
    close: () => file.close(),
  };
}
