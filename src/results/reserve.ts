import { randomFillSync } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { IluvatarError } from '../core/index.js';

/** What the ends of a run's files take: a last row group, indexes, the summary; bytes. */
const RESERVED = 4 * 1024 * 1024;

/**
 * Room on the disk, held by a file until the ends of others are written: a disk that is full in the middle of a run would otherwise leave a table without its index, which
 * nobody can read. Its content is random, since some file systems keep zeros in no room at all.
 */
export class Reserve {
  readonly #path: string;

  /** Throws IluvatarError `unavailable` when there is not even that much. */
  constructor(path: string) {
    this.#path = path;
    try {
      writeFileSync(path, randomFillSync(Buffer.allocUnsafe(RESERVED)));
    } catch (error) {
      this.release();
      throw new IluvatarError('unavailable', `${path} cannot be written: ${(error as Error).message}`);
    }
  }

  /** Idempotent. */
  release(): void {
    rmSync(this.#path, { force: true });
  }
}
