import { createHash } from 'node:crypto';
import { closeSync, createReadStream, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/**
 * A few bytes beside the data file. While a store is open: the last commit that is on the disk, so that a file whose newest state was damaged away is not taken for
 * a slightly older good one. Once it is closed: the digest of the whole file, so that the next start need not read every entry. Overwritten in place within
 * one sector, which is old or new after a crash, and synced only where it changes what is promised: a mark that lags behind is no harm.
 */
export interface Mark {
  readonly sequence: number;
  /** Of the closed file; null = it was not closed. */
  readonly digest: string | null;
}

const MAGIC = 'ilvmark1';
const BYTES = 64;
const AT = { sequence: 8, closed: 16, digest: 20, checksum: 60 };

/** Null = there is none, or it is damaged, or of another form. Throws system errors but ENOENT. */
export function readMark(path: string): Mark | null {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  if (bytes.length !== BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) return null;
  if (bytes.readUInt32LE(AT.checksum) !== crc32(bytes.subarray(0, AT.checksum))) return null;
  const closed = bytes.readUInt32LE(AT.closed) === 1;
  return {
    sequence: Number(bytes.readBigUInt64LE(AT.sequence)),
    digest: closed ? bytes.toString('hex', AT.digest, AT.digest + 32) : null,
  };
}

export class Watermark {
  readonly #fd: number;

  /** Says at once, and for good, that the store is open. Throws system errors. */
  constructor(path: string, sequence: number) {
    this.#fd = openSync(path, openFlags(path), 0o600);
    this.#write({ sequence, digest: null });
    fsyncSync(this.#fd);
  }

  committed(sequence: number): void {
    this.#write({ sequence, digest: null });
  }

  /** The file is closed and will not change. */
  sealed(mark: Mark): void {
    this.#write(mark);
    fsyncSync(this.#fd);
  }

  close(): void {
    closeSync(this.#fd);
  }

  #write({ sequence, digest }: Mark): void {
    const bytes = Buffer.alloc(BYTES);
    bytes.write(MAGIC, 'latin1');
    bytes.writeBigUInt64LE(BigInt(sequence), AT.sequence);
    if (digest !== null) {
      bytes.writeUInt32LE(1, AT.closed);
      bytes.write(digest, AT.digest, 'hex');
    }
    bytes.writeUInt32LE(crc32(bytes.subarray(0, AT.checksum)), AT.checksum);
    writeSync(this.#fd, bytes, 0, BYTES, 0);
  }
}

/** Without emptying what is there: a crash between the two would lose it. */
function openFlags(path: string): string {
  try {
    closeSync(openSync(path, 'r+'));
    return 'r+';
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'wx+';
    throw error;
  }
}

/** SHA-256 over size and bytes, hex. */
export async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256').update(`${(await stat(path)).size}\n`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}
