import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Pack, pack } from 'tar-stream';
import * as z from 'zod';
import { type Blob, bytesBlob, checked, digestOf } from './blobs.js';
import { documentBytes, MEDIA, parseConfig, parseDocument } from './documents.js';
import { invalid } from './failure.js';
import { assertPlatform, type BaseImage, type BuiltImage, blobsOf, type ImageLayer } from './image.js';
import type { ImageFiles } from './image-files.js';
import { LAYOUT_FILE, LAYOUT_TEXT, layoutIndex, readSmall } from './oci-layout.js';
import type { Platform } from './platform.js';
import type { ImageReference } from './references.js';
import { addEntry } from './tar-entry.js';

/** Archives: a tar of an image layout that also has Docker's `manifest.json`, and the tars that `docker save` writes. */

const EPOCH = new Date(0);

const savedSchema = z
  .array(z.looseObject({ Config: z.string(), RepoTags: z.array(z.string()).nullish(), Layers: z.array(z.string()) }))
  .min(1);

/** The image as one tar, for `docker load`, `ctr images import`, `skopeo copy` and `podman load`. The same image makes the same bytes. Destroy it to give it up. */
export function archiveOf(image: BuiltImage, name: ImageReference): Readable {
  const tar = pack();
  const write = async (): Promise<void> => {
    await add(tar, LAYOUT_FILE, bytesBlob(Buffer.from(LAYOUT_TEXT)));
    await add(tar, 'index.json', bytesBlob(layoutIndex(image, name)));
    await add(tar, 'manifest.json', bytesBlob(dockerManifest(image, name)));
    for (const blob of blobsOf(image)) await add(tar, pathOf(blob.digest), blob);
    tar.finalize();
  };
  const out = Readable.from(tar as AsyncIterable<Buffer>, { objectMode: false });
  out.once('close', () => tar.destroy());
  write().catch((error: Error) => tar.destroy(error));
  return out;
}

/** The same as a file, which is there whole or not at all. */
export async function writeArchive(image: BuiltImage, name: ImageReference, file: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const partial = `${file}.${process.pid}.partial`;
  try {
    await pipeline(archiveOf(image, name), createWriteStream(partial, { mode: 0o644 }));
    await rename(partial, file);
  } finally {
    await rm(partial, { force: true });
  }
}

function pathOf(digest: string): string {
  return `blobs/sha256/${digest.slice('sha256:'.length)}`;
}

function dockerManifest(image: BuiltImage, { registry, repository, tag }: ImageReference): Buffer {
  // As Docker would show it: Docker Hub's names are short.
  const short = registry === 'docker.io' ? repository.replace(/^library\//, '') : `${registry}/${repository}`;
  return documentBytes([
    {
      Config: pathOf(image.config.digest),
      RepoTags: [`${short}:${tag ?? 'latest'}`],
      Layers: image.layers.map(({ blob }) => pathOf(blob.digest)),
    },
  ]);
}

function add(tar: Pack, name: string, blob: Blob): Promise<void> {
  const header = { name, size: blob.size, mode: 0o644, mtime: EPOCH, uid: 0, gid: 0 };
  return addEntry(tar, header, () => blob.open());
}

/** The image in what `docker save` wrote before it wrote layouts: a list of tars, named by nothing but the configuration's contents. */
export async function readDockerArchive(files: ImageFiles, platform: Platform): Promise<BaseImage> {
  const { where } = files;
  const list = parseDocument(savedSchema, await readSmall(files, 'manifest.json'), `manifest.json of ${where}`);
  const [saved, ...more] = list;
  if (saved === undefined || more.length > 0) {
    const names = list.map(({ RepoTags }) => RepoTags?.[0] ?? 'one without a name');
    throw invalid(`${where} holds ${names.length} images (${names.join(', ')}): save one alone`);
  }
  const bytes = await readSmall(files, saved.Config);
  const config = parseConfig(bytes, `the configuration of ${where}`);
  assertPlatform(config, platform, where);
  const diffIds = config.rootfs.diff_ids ?? [];
  if (diffIds.length !== saved.Layers.length) {
    throw invalid(`${where} has ${saved.Layers.length} layers and names ${diffIds.length} contents`);
  }
  const layers: ImageLayer[] = [];
  for (const [i, path] of saved.Layers.entries()) layers.push(await layerAt(files, path, diffIds[i] as string));
  return { config, layers, documents: { config: bytes, manifest: null } };
}

/** A tar is named by its content already; of a compressed one the name has to be found. */
async function layerAt(files: ImageFiles, path: string, diffId: string): Promise<ImageLayer> {
  const { where } = files;
  const size = await files.size(path);
  if (size === null) throw invalid(`${where} lacks the layer ${path}`);
  const { head, digest } = await scan(files.open(path));
  const zipped = head[0] === 0x1f && head[1] === 0x8b;
  if (!zipped && digest !== diffId) {
    throw invalid(`${where}: the layer ${path} has the digest ${digest}, not ${diffId}`);
  }
  const blob: Blob = { digest, size, open: () => checked(files.open(path), digest, size, where) };
  return { blob, mediaType: zipped ? MEDIA.layerGzip : MEDIA.layer, diffId, from: null };
}

async function scan(source: Readable): Promise<{ head: Buffer; digest: string }> {
  const hash = createHash('sha256');
  let head = Buffer.alloc(0);
  for await (const chunk of source) {
    if (head.length < 2) head = Buffer.concat([head, (chunk as Buffer).subarray(0, 2)]);
    hash.update(chunk as Buffer);
  }
  return head.length === 0 ? { head, digest: digestOf(head) } : { head, digest: `sha256:${hash.digest('hex')}` };
}
