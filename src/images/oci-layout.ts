import { lstat, mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { BlobFolder, checked, readAll } from './blobs.js';
import { type Descriptor, DOCUMENT_LIMIT, documentBytes, type Index, isIndex, MEDIA, parseIndex } from './documents.js';
import { invalid } from './failure.js';
import {
  assertDocumentSize,
  type BaseImage,
  type BaseReader,
  type BuiltImage,
  baseFromManifest,
  blobsOf,
  checkedDocument,
} from './image.js';
import type { ImageFiles } from './image-files.js';
import { type Platform, pickManifest } from './platform.js';
import { formatReference, type ImageReference } from './references.js';

/** The OCI image layout: a folder, or a tar of one, with `oci-layout`, `index.json` and `blobs/sha256`. */

export const LAYOUT_FILE = 'oci-layout';
export const LAYOUT_TEXT = '{"imageLayoutVersion":"1.0.0"}';
const MAX_NESTING = 3;

/** `index.json` for one image. The name is outside what is hashed: the same image has one digest whatever it is called. */
export function layoutIndex(image: BuiltImage, name: ImageReference): Buffer {
  const { os, architecture, variant } = image.platform;
  const index: Index = {
    schemaVersion: 2,
    mediaType: MEDIA.index,
    manifests: [
      {
        mediaType: image.mediaType,
        digest: image.manifest.digest,
        size: image.manifest.size,
        annotations: {
          'io.containerd.image.name': formatReference(name),
          'org.opencontainers.image.ref.name': name.tag ?? 'latest',
        },
        platform: { architecture, os, ...(variant === null ? {} : { variant }) },
      },
    ],
  };
  return documentBytes(index);
}

/** Writes the image as a layout folder. What stands there must be nothing, an empty folder, or a layout, which is replaced. */
export async function writeLayout(image: BuiltImage, name: ImageReference, folder: string): Promise<void> {
  await assertReplaceable(folder);
  const fresh = join(dirname(folder), `.${process.pid}-${image.manifest.digest.slice(7, 19)}.partial`);
  await rm(fresh, { recursive: true, force: true });
  try {
    const blobs = new BlobFolder(fresh);
    for (const blob of blobsOf(image)) await blobs.copy(blob);
    await writeFile(join(fresh, 'index.json'), layoutIndex(image, name));
    await writeFile(join(fresh, LAYOUT_FILE), LAYOUT_TEXT);
    await rm(folder, { recursive: true, force: true });
    await rename(fresh, folder);
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** Nothing but a layout is ever removed for the sake of another. */
async function assertReplaceable(folder: string): Promise<void> {
  await mkdir(dirname(folder), { recursive: true });
  const stats = await lstat(folder).catch(() => null);
  if (stats === null) return;
  if (!stats.isDirectory()) throw invalid(`"${folder}" is there already and no folder`);
  const names = await readdir(folder);
  const layout = names.every((name) => [LAYOUT_FILE, 'index.json', 'blobs', 'manifest.json'].includes(name));
  if (!layout) throw invalid(`"${folder}" is there already and no image layout: name another folder, or remove it`);
}

/** The image of a layout for this platform. */
export async function readLayout(files: ImageFiles, platform: Platform): Promise<BaseImage> {
  const { where } = files;
  const path = (digest: string): string => `blobs/sha256/${digest.slice('sha256:'.length)}`;
  const reader: BaseReader = {
    where,
    from: null,
    document: async (descriptor) => {
      const name = path(descriptor.digest);
      const size = await files.size(name);
      if (size === null) throw invalid(`${where} lacks the blob ${descriptor.digest}`);
      assertDocumentSize(size, `${where}: ${name}`);
      return checkedDocument(await readAll(files.open(name), DOCUMENT_LIMIT, name), descriptor, where);
    },
    blob: ({ digest, size }) => ({
      digest,
      size,
      open: () => checked(files.open(path(digest)), digest, size, where),
    }),
  };
  const index = parseIndex(await readSmall(files, 'index.json'), `index.json of ${where}`);
  const manifest = await manifestIn(index, reader, platform, 0);
  const base = await baseFromManifest(manifest, reader, platform);
  for (const { blob } of base.layers) {
    if ((await files.size(path(blob.digest))) === null) throw invalid(`${where} lacks the layer ${blob.digest}`);
  }
  return base;
}

async function manifestIn(index: Index, reader: BaseReader, platform: Platform, depth: number): Promise<Buffer> {
  if (depth > MAX_NESTING) throw invalid(`the indexes of ${reader.where} are nested too deep`);
  const found: Descriptor = pickManifest(index, platform, reader.where);
  const bytes = await reader.document(found);
  if (!isIndex(bytes, `a manifest of ${reader.where}`)) return bytes;
  return manifestIn(parseIndex(bytes, `an index of ${reader.where}`), reader, platform, depth + 1);
}

/** A document that nothing announced. */
export async function readSmall(files: ImageFiles, path: string): Promise<Buffer> {
  const size = await files.size(path);
  if (size === null) throw invalid(`${files.where} holds no ${path}`);
  assertDocumentSize(size, `${path} of ${files.where}`);
  return readAll(files.open(path), DOCUMENT_LIMIT, path);
}
