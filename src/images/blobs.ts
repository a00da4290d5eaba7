import { createHash, type Hash, randomBytes } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { mkdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip } from 'node:zlib';
import { invalid } from './failure.js';

/** Content named by its digest: hashing, checking, and the folder `blobs/sha256` of an image layout. Everything is streamed. */

/** A blob that can be read as often as needed, wherever it lies. */
export interface Blob {
  readonly digest: string;
  readonly size: number;
  /** Its bytes, checked: a reader that gets to the end has got the blob of that digest. */
  open(): Readable;
}

export interface StoredLayer {
  readonly digest: string;
  readonly size: number;
  /** Digest of the tar itself. */
  readonly diffId: string;
}

/** Fixed, as is everything else that would show in the compressed bytes: gzip's header carries no time and no name. */
const GZIP = { level: 6, memLevel: 8, windowBits: 15, strategy: constants.Z_DEFAULT_STRATEGY } as const;

export function digestOf(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** A blob in memory. */
export function bytesBlob(bytes: Buffer): Blob {
  return { digest: digestOf(bytes), size: bytes.length, open: () => Readable.from([bytes]) };
}

/** Passes bytes through and fails with `invalid` at their end unless they are those of the digest. `where` begins the sentence. */
export function checked(source: Readable, digest: string, size: number, where: string): Readable {
  const counter = new Counter((bytes, actual) => {
    if (bytes > size) return invalid(`${where}: ${digest} is longer than its ${size} bytes`);
    if (bytes < size) return invalid(`${where}: ${digest} is cut short: ${bytes} of ${size} bytes`);
    return actual === digest ? null : invalid(`${where}: the content of ${digest} has the digest ${actual}`);
  }, size);
  // `pipeline` destroys both ends whatever happens; the error comes out of `counter`, where the reader is.
  pipeline(source, counter).catch(() => undefined);
  return counter;
}

/** Counts and hashes what passes; `verdict` may turn the end into a failure. */
class Counter extends Transform {
  bytes = 0;
  digest = '';
  readonly #hash: Hash = createHash('sha256');
  readonly #verdict: (bytes: number, digest: string) => Error | null;
  readonly #limit: number;

  constructor(
    verdict: (bytes: number, digest: string) => Error | null = () => null,
    limit: number = Number.POSITIVE_INFINITY,
  ) {
    super();
    this.#verdict = verdict;
    this.#limit = limit;
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: Error | null, chunk?: Buffer) => void): void {
    this.bytes += chunk.length;
    // More than announced is wrong at once: a server must not fill the disk before it is told so.
    if (this.bytes > this.#limit) {
      done(this.#verdict(this.bytes, ''));
      return;
    }
    this.#hash.update(chunk);
    done(null, chunk);
  }

  override _flush(done: (error: Error | null) => void): void {
    this.digest = `sha256:${this.#hash.digest('hex')}`;
    done(this.#verdict(this.bytes, this.digest));
  }
}

/** A folder of blobs, `<layout>/blobs/sha256`. A blob is complete or not there. */
export class BlobFolder {
  readonly #folder: string;

  constructor(layout: string) {
    this.#folder = join(layout, 'blobs', 'sha256');
  }

  path(digest: string): string {
    return join(this.#folder, digest.slice('sha256:'.length));
  }

  async putBytes(bytes: Buffer): Promise<Blob> {
    const blob = bytesBlob(bytes);
    await this.copy(blob);
    return blob;
  }

  /** Takes a blob from elsewhere. */
  async copy(blob: Blob): Promise<void> {
    if (existsSync(this.path(blob.digest))) return;
    await this.#write(async (file) => {
      await pipeline(blob.open(), createWriteStream(file, { flags: 'wx', mode: 0o644 }));
      return blob.digest;
    });
  }

  /** Stores a tar as a layer, as it is or compressed. */
  async putLayer(tar: Readable, compress: boolean): Promise<StoredLayer> {
    const plain = new Counter();
    const stored = new Counter();
    await this.#write(async (file) => {
      const out = createWriteStream(file, { flags: 'wx', mode: 0o644 });
      if (compress) await pipeline(tar, plain, createGzip(GZIP), stored, out);
      else await pipeline(tar, plain, stored, out);
      return stored.digest;
    });
    return { digest: stored.digest, size: stored.bytes, diffId: plain.digest };
  }

  /** A blob of this folder. */
  async get(digest: string): Promise<Blob> {
    const path = this.path(digest);
    const { size } = await stat(path);
    return { digest, size, open: () => checked(createReadStream(path), digest, size, path) };
  }

  async #write(write: (file: string) => Promise<string>): Promise<void> {
    await mkdir(this.#folder, { recursive: true, mode: 0o755 });
    const file = join(this.#folder, `.${randomBytes(8).toString('hex')}`);
    try {
      await rename(file, this.path(await write(file)));
    } finally {
      await rm(file, { force: true });
    }
  }
}

/** All bytes of a small stream; `invalid` when there are more than `limit`. */
export async function readAll(source: Readable, limit: number, where: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source) {
    bytes += (chunk as Buffer).length;
    if (bytes > limit) throw invalid(`${where} is larger than ${limit} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
