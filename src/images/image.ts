import { type Blob, bytesBlob, digestOf } from './blobs.js';
import {
  type Descriptor,
  DOCUMENT_LIMIT,
  documentBytes,
  type ImageConfig,
  layerType,
  type Manifest,
  MEDIA,
  parseConfig,
  parseManifest,
} from './documents.js';
import { invalid } from './failure.js';
import { formatPlatform, matches, type Platform } from './platform.js';

/** An image: what it is built upon and what it becomes. Its blobs stay where they are until somebody reads them. */

/** One layer of an image. */
export interface ImageLayer {
  readonly blob: Blob;
  readonly mediaType: string;
  /** Digest of the tar itself, whatever it is compressed with. */
  readonly diffId: string;
  /** The repository it came from, for registries that can take it over; null = it came from no registry. */
  readonly from: { readonly registry: string; readonly repository: string } | null;
}

/** An image that others are built upon. */
export interface BaseImage {
  readonly config: ImageConfig;
  readonly layers: readonly ImageLayer[];
  /** As they were read: whoever passes the image on unchanged passes these bytes on. null = it never had any. */
  readonly documents: ImageDocuments | null;
}

export interface ImageDocuments {
  readonly config: Buffer;
  /** null = Docker's older archives have none. */
  readonly manifest: { readonly bytes: Buffer; readonly mediaType: string } | null;
}

/** A whole image, ready to be written or pushed. */
export interface BuiltImage {
  readonly manifest: Blob;
  /** Of the manifest. */
  readonly mediaType: string;
  readonly config: Blob;
  readonly layers: readonly ImageLayer[];
  readonly platform: Platform;
}

/** What a base that is read from somewhere is read with: documents whole, blobs on demand. */
export interface BaseReader {
  readonly where: string;
  readonly from: ImageLayer['from'];
  document(descriptor: Descriptor): Promise<Buffer>;
  blob(descriptor: Descriptor): Blob;
}

/** The base that a manifest describes. */
export async function baseFromManifest(bytes: Buffer, reader: BaseReader, platform: Platform): Promise<BaseImage> {
  const manifest = parseManifest(bytes, `the manifest of ${reader.where}`);
  const configBytes = await reader.document(manifest.config);
  const config = parseConfig(configBytes, `the configuration of ${reader.where}`);
  assertPlatform(config, platform, reader.where);
  const diffIds = config.rootfs.diff_ids ?? [];
  if (diffIds.length !== manifest.layers.length) {
    throw invalid(`${reader.where} has ${manifest.layers.length} layers and names ${diffIds.length} contents`);
  }
  const layers = manifest.layers.map((descriptor, i) => ({
    blob: reader.blob(descriptor),
    mediaType: layerType(descriptor.mediaType, reader.where),
    diffId: diffIds[i] as string,
    from: reader.from,
  }));
  const mediaType = manifest.mediaType ?? MEDIA.manifest;
  return { config, layers, documents: { config: configBytes, manifest: { bytes, mediaType } } };
}

export function assertPlatform(config: ImageConfig, platform: Platform, where: string): void {
  if (matches(config, platform)) return;
  const offered = formatPlatform({ ...config, variant: config.variant ?? null });
  throw invalid(`${where} is for ${offered}, not for ${formatPlatform(platform)}`);
}

/** Checks a document that somebody sent against the descriptor that announced it. */
export function checkedDocument(bytes: Buffer, { digest, size }: Descriptor, where: string): Buffer {
  if (bytes.length !== size) throw invalid(`${where}: ${digest} is cut short: ${bytes.length} of ${size} bytes`);
  const actual = digestOf(bytes);
  if (actual !== digest) throw invalid(`${where}: the content of ${digest} has the digest ${actual}`);
  return bytes;
}

export function assertDocumentSize(size: number, where: string): void {
  if (size > DOCUMENT_LIMIT) throw invalid(`${where} is larger than ${DOCUMENT_LIMIT} bytes`);
}

/** The image that a base is by itself: its own documents where it has them, so that its digest stays what it was. */
export function unchangedImage({ config, layers, documents }: BaseImage): BuiltImage {
  if (documents?.manifest == null) return assembleImage(config, layers, {}, documents?.config ?? null);
  const { os, architecture, variant = null } = config;
  return {
    manifest: bytesBlob(documents.manifest.bytes),
    mediaType: documents.manifest.mediaType,
    config: bytesBlob(documents.config),
    layers,
    platform: { os, architecture, variant },
  };
}

/** Puts an image together: the documents and their digests follow from the layers and the configuration alone. */
export function assembleImage(
  config: ImageConfig,
  layers: readonly ImageLayer[],
  annotations: Readonly<Record<string, string>>,
  /** Of the configuration, where it was read. */
  bytes: Buffer | null = null,
): BuiltImage {
  const configBlob = bytesBlob(bytes ?? documentBytes(config));
  const manifest: Manifest = {
    schemaVersion: 2,
    mediaType: MEDIA.manifest,
    config: { mediaType: MEDIA.config, digest: configBlob.digest, size: configBlob.size },
    layers: layers.map(({ blob, mediaType }) => ({ mediaType, digest: blob.digest, size: blob.size })),
    annotations: { ...annotations },
  };
  const { os, architecture, variant = null } = config;
  return {
    manifest: bytesBlob(documentBytes(manifest)),
    mediaType: MEDIA.manifest,
    config: configBlob,
    layers,
    platform: { os, architecture, variant },
  };
}

/** Every blob once: two layers of equal content are one. */
export function blobsOf(image: BuiltImage): Blob[] {
  const all = [...image.layers.map(({ blob }) => blob), image.config, image.manifest];
  return [...new Map(all.map((blob) => [blob.digest, blob])).values()];
}
