import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';

/** LMDB as the store uses it: one file, keys and values as bytes, every commit on the disk before it resolves. */

/** One process, one or two cursors at a time; the rest is room to spare. */
const MAX_READERS = 126;
/** 64 bytes a reader, and a head. */
const LOCK_BYTES = 16 * 1024;

export type DataFile = RootDatabase<Buffer, Buffer>;

export interface DataFileOptions {
  /** Most that the file may grow to; bytes. Only address space until then. */
  readonly maxBytes: number;
  readonly readOnly?: boolean;
}

/** Throws LMDB's errors (negative `code`) and the system's (positive). May end the process when the file is damaged: see `check.ts`. */
export function openDataFile(path: string, { maxBytes, readOnly = false }: DataFileOptions): DataFile {
  reserveLock(path);
  return open<Buffer, Buffer>({
    path,
    maxReaders: MAX_READERS,
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: maxBytes,
    maxDbs: 1,
    readOnly,
    // The library's own way answers before the disk has the data, and then asks a boot id which commit was meant.
    overlappingSync: false,
    // The batch it would make of every turn of the event loop has a promise that nobody can catch when a commit fails.
    eventTurnBatching: false,
  });
}

/** LMDB maps the file of its lock, grown but not written: where the disk has no room for it the process would end by SIGBUS. */
function reserveLock(path: string): void {
  writeFileSync(`${path}-lock`, Buffer.alloc(LOCK_BYTES), { mode: 0o600 });
}

/** Rejects with the error of LMDB or of the system where the library has it behind one of its own. */
export async function commit<T>(file: DataFile, changes: () => T): Promise<T> {
  try {
    return await file.transaction(changes);
  } catch (error) {
    await (error as { commitError?: Promise<never> }).commitError;
    throw error;
  }
}

/** Inside a transaction: false = there is an entry with this key, which stays as it is. */
export function insert(file: DataFile, key: Buffer, record: Buffer): boolean {
  // Its types say that it returns nothing, its documentation and code that it returns this.
  return file.putSync(key, record, INSERT) as unknown as boolean;
}

const INSERT = { noOverwrite: true };

/** All entries at once; the file is there, complete and on the disk, or not at all. */
export async function makeDataFile(
  path: string,
  maxBytes: number,
  entries: Iterable<readonly [key: Buffer, record: Buffer]>,
): Promise<void> {
  const half = `${path}.new.mdb`;
  removeDataFile(half);
  const file = openDataFile(half, { maxBytes });
  try {
    await commit(file, () => {
      for (const [key, record] of entries) file.put(key, record);
    });
  } finally {
    await file.close();
  }
  rmSync(`${half}-lock`, { force: true });
  renameSync(half, path);
  syncFolder(dirname(path));
}

export function removeDataFile(path: string): void {
  for (const file of [path, `${path}-lock`]) rmSync(file, { force: true });
}

/** What was renamed or removed in it stays so after a power cut. */
export function syncFolder(folder: string): void {
  const fd = openSync(folder, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
