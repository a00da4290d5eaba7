import { createReadStream, createWriteStream } from 'node:fs';
import { lstat, open } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { extract } from 'tar-stream';
import { invalid, reasonOf } from './failure.js';

/** Files of an image layout or archive by name, whether they lie in a folder or in a tar. Nothing of a tar is unpacked: it is read where it lies. */
export interface ImageFiles {
  /** For messages. */
  readonly where: string;
  /** null = there is no such file. */
  size(path: string): Promise<number | null>;
  open(path: string): Readable;
}

export class FolderFiles implements ImageFiles {
  readonly where: string;

  constructor(folder: string) {
    this.where = folder;
  }

  async size(path: string): Promise<number | null> {
    const stats = await lstat(join(this.where, path)).catch(() => null);
    return stats?.isFile() ? stats.size : null;
  }

  open(path: string): Readable {
    return createReadStream(join(this.where, path));
  }
}

interface Place {
  readonly offset: number;
  readonly size: number;
}

const MAX_FILES = 100_000;

export class TarFiles implements ImageFiles {
  readonly where: string;
  readonly #file: string;
  readonly #places: ReadonlyMap<string, Place>;

  private constructor(where: string, file: string, places: ReadonlyMap<string, Place>) {
    this.where = where;
    this.#file = file;
    this.#places = places;
  }

  /** Reads through the archive once. A compressed one is first unpacked into `temporary`, which need not exist. */
  static async open(archive: string, temporary: string): Promise<TarFiles> {
    const handle = await open(archive, 'r').catch((error: Error) => {
      throw invalid(error.message);
    });
    const head = Buffer.alloc(2);
    try {
      await handle.read(head, 0, 2, 0);
    } finally {
      await handle.close();
    }
    const zipped = head[0] === 0x1f && head[1] === 0x8b;
    try {
      if (zipped) await pipeline(createReadStream(archive), createGunzip(), createWriteStream(temporary));
      const file = zipped ? temporary : archive;
      return new TarFiles(archive, file, await placesIn(file));
    } catch (error) {
      throw invalid(`"${archive}" is no image archive: ${reasonOf(error)}`);
    }
  }

  async size(path: string): Promise<number | null> {
    return this.#places.get(path)?.size ?? null;
  }

  open(path: string): Readable {
    const place = this.#places.get(path);
    if (place === undefined) throw invalid(`"${this.where}" holds no "${path}"`);
    if (place.size === 0) return Readable.from([]);
    return createReadStream(this.#file, { start: place.offset, end: place.offset + place.size - 1 });
  }
}

async function placesIn(file: string): Promise<Map<string, Place>> {
  const places = new Map<string, Place>();
  const links: [path: string, target: string][] = [];
  const source = createReadStream(file, { highWaterMark: 1024 * 1024 });
  const entries = extract();
  source.on('error', (error) => entries.destroy(error));
  try {
    source.pipe(entries);
    for await (const entry of entries) {
      const { name, type, size = 0, linkname } = entry.header;
      const { byteOffset } = entry.header as unknown as { byteOffset: number };
      const path = posix.normalize(name).replace(/^\.\//, '');
      if (places.size + links.length > MAX_FILES) throw invalid(`more than ${MAX_FILES} files`);
      if (type === 'file' || type === 'contiguous-file') places.set(path, { offset: byteOffset, size });
      // Docker's older archives name a layer that two images share only once.
      else if (type === 'symlink') links.push([path, posix.normalize(posix.join(posix.dirname(path), linkname ?? ''))]);
      else if (type === 'link') links.push([path, posix.normalize(linkname ?? '')]);
      entry.resume();
    }
  } finally {
    source.destroy();
    entries.destroy();
  }
  for (const [path, target] of links) {
    const place = places.get(target);
    if (place !== undefined) places.set(path, place);
  }
  return places;
}
