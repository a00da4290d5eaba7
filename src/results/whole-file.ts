import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { IluvatarError } from '../core/index.js';

/** Replaces a file as a whole: who reads it sees the old text or the new one, also after a crash or on a full disk. Throws IluvatarError `unavailable`. */
export function writeWholeFile(path: string, content: string | Uint8Array): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    const descriptor = openSync(temporary, 'w');
    try {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, path);
    const folder = openSync(dirname(path), 'r');
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new IluvatarError('unavailable', `${path} cannot be written: ${(error as Error).message}`);
  }
}

export function writeJson(path: string, value: unknown): void {
  writeWholeFile(path, `${JSON.stringify(value, null, 2)}\n`);
}
