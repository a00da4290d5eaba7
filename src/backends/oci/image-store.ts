import { createHash } from 'node:crypto';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Blob, BlobFolder, bytesBlob } from '../../images/blobs.js';
import { type BuiltImage, blobsOf } from '../../images/image.js';
import type { Lifecycle } from '../lifecycle.js';
import { processIdentity } from '../process-identity.js';
import type { Bind } from './function.js';
import type { BlobUse, StoredImage, StoreFolders } from './image-tasks.js';
import type { SourceImageRequest } from './source-image.js';

/**
 * `<dataDir>/images`: blobs by their digest, shared by all registrations and all engines, and a note of each registration's. Layers of a registry come
 * in when an engine that lacks them reads them.
 */
export interface ImageStoreOptions {
  readonly dataDir: string;
  readonly staging: string;
  /** Whose registrations these are: the engine's name. */
  readonly owner: string;
  readonly lifecycle: Lifecycle;
}

export class ImageStore {
  readonly folders: StoreFolders;
  readonly #blobs: BlobFolder;
  readonly #owner: string;
  readonly #lifecycle: Lifecycle;
  readonly #building = new Map<string, Promise<BuiltSource>>();
  readonly #uses = new Map<string, number>();

  constructor({ dataDir, staging, owner, lifecycle }: ImageStoreOptions) {
    this.folders = { images: join(dataDir, 'images'), staging };
    this.#blobs = new BlobFolder(this.folders.images);
    this.#owner = owner;
    this.#lifecycle = lifecycle;
  }

  /** Before the first registration. What earlier processes left goes; what this one registered stays, for a shard that starts again. Resolves with what was removed. */
  async sweep(): Promise<readonly string[]> {
    return this.#lifecycle.run('sweepImages', { images: this.folders.images, process: processIdentity(process.pid) });
  }

  /** From source. Whoever asks for the same while it is being built gets the same. */
  build(request: SourceImageRequest): Promise<BuiltSource> {
    const key = JSON.stringify(request);
    const known = this.#building.get(key);
    if (known !== undefined) return known;
    const { folders } = this;
    const built = this.#lifecycle.run('buildFunctionImage', { folders, request }).finally(() => {
      this.#building.delete(key);
    });
    this.#building.set(key, built);
    return built;
  }

  /** The image, its layers read from here. */
  open(stored: StoredImage): BuiltImage {
    return {
      manifest: bytesBlob(Buffer.from(stored.manifest)),
      mediaType: stored.mediaType,
      config: bytesBlob(Buffer.from(stored.config)),
      platform: stored.platform,
      layers: stored.layers.map(({ digest, size, ...rest }) => ({ ...rest, blob: this.#layer(stored, digest, size) })),
    };
  }

  /** Notes what a registration uses; one that is made again before it is released counts twice. */
  async use(registration: Registration, image: BuiltImage): Promise<void> {
    const path = this.#usePath(registration);
    this.#uses.set(path, (this.#uses.get(path) ?? 0) + 1);
    const use: BlobUse = { process: processIdentity(process.pid), digests: blobsOf(image).map(({ digest }) => digest) };
    await mkdir(join(this.folders.images, 'uses'), { recursive: true, mode: 0o700 });
    await writeFile(path, JSON.stringify(use));
  }

  async release(registration: Registration): Promise<void> {
    const path = this.#usePath(registration);
    const left = (this.#uses.get(path) ?? 1) - 1;
    if (left > 0) {
      this.#uses.set(path, left);
      return;
    }
    this.#uses.delete(path);
    await rm(path, { force: true });
  }

  /** A complete file of the store was checked when it was written. */
  #layer({ origin, platform }: StoredImage, digest: string, size: number): Blob {
    const path = this.#blobs.path(digest);
    const { folders } = this;
    const lifecycle = this.#lifecycle;
    async function* bytes(): AsyncGenerator<Buffer> {
      if (!existsSync(path)) await lifecycle.run('fetchLayer', { folders, origin, platform, digest });
      yield* createReadStream(path, { highWaterMark: 256 * 1024 });
    }
    return { digest, size, open: () => Readable.from(bytes(), { objectMode: false }) };
  }

  /** By digest too: when a registration takes the place of another, both are there for a moment. */
  #usePath({ key, digest }: Registration): string {
    const name = createHash('sha256')
      .update(JSON.stringify([this.#owner, key, digest]))
      .digest('hex');
    return join(this.folders.images, 'uses', name);
  }
}

export interface BuiltSource {
  readonly image: StoredImage;
  /** What its containers need of the host. */
  readonly binds: readonly Bind[];
}

export interface Registration {
  readonly key: string;
  readonly digest: string;
}
