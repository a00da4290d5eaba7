import { closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { open, type RootDatabase } from 'lmdb';

/** LMDB as the store uses it: one file, keys and values as bytes, every commit on the disk before it resolves. */

export type DataFile = RootDatabase<Buffer, Buffer>;

export interface DataFileOptions {
  /** Most that the file may grow to; bytes. Only address space until then. */
  readonly maxBytes: number;
  readonly readOnly?: boolean;
}

/** Throws LMDB's errors (negative `code`) and the system's (positive). May end the process when the file is damaged: see `check.ts`. */
export function openDataFile(path: string, { maxBytes, readOnly = false }: DataFileOptions): DataFile {
  return open<Buffer, Buffer>({
    path,
    encoding: 'binary',
    keyEncoding: 'binary',
    mapSize: maxBytes,
    maxDbs: 1,
    readOnly,
    // The library's own way answers before the disk has the data, and then asks a boot id which commit was meant.
    overlappingSync: false,
  });
}

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
    await file.transaction(() => {
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
