import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Blob, BlobFolder, readAll } from '../../images/blobs.js';
import { DOCUMENT_LIMIT } from '../../images/documents.js';
import { type BaseImage, type BuiltImage, type ImageLayer, unchangedImage } from '../../images/image.js';
import { type ImageUser, imageUser, plainUser } from '../../images/image-user.js';
import { hostPlatform, type Platform } from '../../images/platform.js';
import type { Bind } from './function.js';
import { buildSourceImage, readOrigin, type SourceImageRequest } from './source-image.js';

/** Reading, hashing and writing of images, run by the life-cycle pool: a shard never does. Requests and results are plain data. */

export interface StoreFolders {
  /** Holds `blobs/sha256` and `uses`. */
  readonly images: string;
  /** For half-made things. */
  readonly staging: string;
}

/** An image whose layers lie in the store, but for those that a registry has and nobody has asked for yet. */
export interface StoredImage {
  readonly manifest: Uint8Array;
  readonly mediaType: string;
  readonly config: Uint8Array;
  readonly layers: readonly (Omit<ImageLayer, 'blob'> & { readonly digest: string; readonly size: number })[];
  readonly platform: Platform;
  /** Where the layers of a registry come from: what `base` or `image` said. */
  readonly origin: string;
}

/** Which uses of blobs were written by this very process; see `sweepImages`. */
export interface BlobUse {
  readonly process: string;
  readonly digests: readonly string[];
}

async function buildFunctionImage({
  folders,
  request,
}: {
  folders: StoreFolders;
  request: SourceImageRequest;
}): Promise<{ image: StoredImage; binds: readonly Bind[] }> {
  return withStore(folders, async (blobs, temporary) => {
    const { image, binds } = await buildSourceImage(request, blobs, temporary);
    return { image: await store(image, blobs, request.base), binds };
  });
}

/** An image as it is, and the user that its containers run as. */
async function readFunctionImage({
  folders,
  text,
}: {
  folders: StoreFolders;
  text: string;
}): Promise<{ image: StoredImage; user: ImageUser }> {
  return withStore(folders, async (blobs, temporary) => {
    const base = await readOrigin(text, { platform: hostPlatform(), blobs, temporary, compress: false });
    const image = await store(unchangedImage(base), blobs, text);
    const user = base.config.config?.User ?? '';
    return { image, user: plainUser(user) ?? (await namedUser(user, base, blobs)) };
  });
}

/** Layers are fetched for it, once. */
async function namedUser(user: string, base: BaseImage, blobs: BlobFolder): Promise<ImageUser> {
  const layers = [];
  for (const { blob, mediaType } of base.layers) {
    await blobs.copy(blob);
    layers.push({ mediaType, open: () => blob.open() });
  }
  return imageUser(user, layers);
}

/** Brings one layer of a registry into the store. */
async function fetchLayer(request: {
  folders: StoreFolders;
  origin: string;
  platform: Platform;
  digest: string;
}): Promise<void> {
  const { folders, origin, platform, digest } = request;
  await withStore(folders, async (blobs, temporary) => {
    const { layers } = await readOrigin(origin, { platform, blobs, temporary, compress: false });
    const layer = layers.find(({ blob }) => blob.digest === digest);
    if (layer === undefined) throw new Error(`${origin} has no layer ${digest} any more`);
    await blobs.copy(layer.blob);
  });
}

/** Removes the uses that an earlier process wrote, and then the blobs that nothing uses. */
async function sweepImages({ images, process }: { images: string; process: string }): Promise<string[]> {
  const used = new Set<string>();
  const removed: string[] = [];
  const uses = join(images, 'uses');
  for (const name of await namesIn(uses)) {
    const use = await readFile(join(uses, name), 'utf8').then(
      (text) => JSON.parse(text) as BlobUse,
      () => null,
    );
    if (use?.process === process) for (const digest of use.digests) used.add(digest.slice('sha256:'.length));
    else await rm(join(uses, name), { force: true });
  }
  const blobs = join(images, 'blobs', 'sha256');
  for (const name of await namesIn(blobs)) {
    if (used.has(name)) continue;
    await rm(join(blobs, name), { force: true });
    removed.push(`image blob ${name.slice(0, 12)}`);
  }
  return removed;
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function withStore<T>(
  { images, staging }: StoreFolders,
  use: (blobs: BlobFolder, temporary: string) => Promise<T>,
): Promise<T> {
  const temporary = await mkdtemp(join(staging, 'image-'));
  try {
    return await use(new BlobFolder(images), temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function store(image: BuiltImage, blobs: BlobFolder, origin: string): Promise<StoredImage> {
  for (const { blob, from } of image.layers) if (from === null) await blobs.copy(blob);
  const bytes = async ({ open, digest }: Blob): Promise<Uint8Array> => readAll(open(), DOCUMENT_LIMIT, digest);
  return {
    manifest: await bytes(image.manifest),
    mediaType: image.mediaType,
    config: await bytes(image.config),
    layers: image.layers.map(({ blob, ...rest }) => ({ ...rest, digest: blob.digest, size: blob.size })),
    platform: image.platform,
    origin,
  };
}

export const imageTasks = { buildFunctionImage, readFunctionImage, fetchLayer, sweepImages };
