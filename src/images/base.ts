import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { BlobFolder } from './blobs.js';
import { readDockerArchive } from './docker-archive.js';
import { type ImageConfig, MEDIA } from './documents.js';
import { invalid } from './failure.js';
import { type BaseImage, type BuiltImage, type ImageLayer, unchangedImage } from './image.js';
import { emptyConfig, withLayer } from './image-config.js';
import { FolderFiles, type ImageFiles, TarFiles } from './image-files.js';
import { layerTar } from './layer.js';
import { LAYOUT_FILE, readLayout } from './oci-layout.js';
import type { Platform } from './platform.js';
import { parseReference } from './references.js';
import type { Credentials } from './registry-auth.js';
import { pullBase } from './registry-client.js';
import { treeEntries } from './tree.js';

/** Finds what `--base` means, and reads it. */

export interface BaseOptions {
  readonly platform: Platform;
  /** Where layers that are made on the way are kept. */
  readonly blobs: BlobFolder;
  /** A folder for what has to be unpacked. */
  readonly temporary: string;
  readonly compress: boolean;
  readonly credentials?: Credentials;
}

/** `scratch`, a root file system, an image layout, an archive, or a reference to an image in a registry. What exists as a file is that file. */
export async function readBase(text: string, options: BaseOptions): Promise<BaseImage> {
  const { platform } = options;
  if (text === 'scratch') return { config: emptyConfig(platform), layers: [], documents: null };
  const path = resolve(text);
  const stats = await stat(path).catch(() => null);
  if (stats?.isDirectory()) {
    const files = new FolderFiles(path);
    if ((await files.size(LAYOUT_FILE)) !== null) return readLayout(files, platform);
    return rootFileSystem(path, options);
  }
  if (stats?.isFile()) {
    return readArchive(await TarFiles.open(path, join(options.temporary, 'base.tar')), platform);
  }
  if (stats !== null || /^[./~]/.test(text)) throw invalid(`the base "${text}" is no file and no folder`);
  return pullBase(parseReference(text), platform, options.credentials);
}

/** What `readBase` finds, as an image of its own: nothing of it is changed, and layers stay compressed as they are. */
export async function readImage(
  text: string,
  options: BaseOptions,
): Promise<{ image: BuiltImage; config: ImageConfig }> {
  const base = await readBase(text, options);
  return { image: unchangedImage(base), config: base.config };
}

/** Archives with an index are layouts, whatever else they also are. */
async function readArchive(files: ImageFiles, platform: Platform): Promise<BaseImage> {
  if ((await files.size('index.json')) !== null) return readLayout(files, platform);
  if ((await files.size('manifest.json')) !== null) return readDockerArchive(files, platform);
  throw invalid(`${files.where} is no image archive: it has neither index.json nor manifest.json`);
}

/** A folder as one layer. */
async function rootFileSystem(folder: string, { blobs, platform, compress }: BaseOptions): Promise<BaseImage> {
  const entries = await treeEntries(folder, { prefix: '', kind: 'system' });
  if (entries.length === 0) throw invalid(`the base "${folder}" is empty`);
  const stored = await blobs.putLayer(layerTar(entries), compress);
  const layer: ImageLayer = {
    blob: await blobs.get(stored.digest),
    mediaType: compress ? MEDIA.layerGzip : MEDIA.layer,
    diffId: stored.diffId,
    from: null,
  };
  const config = withLayer(emptyConfig(platform), stored.diffId, 'root file system');
  return { config, layers: [layer], documents: null };
}
