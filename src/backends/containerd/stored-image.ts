import { IluvatarError } from '../../core/errors.js';
import {
  type ImageConfig,
  isIndex,
  layerType,
  parseConfig,
  parseIndex,
  parseManifest,
} from '../../images/documents.js';
import { assertPlatform, type BuiltImage } from '../../images/image.js';
import { hostPlatform, pickManifest } from '../../images/platform.js';
import type { Image } from '../../rpc/gen/images.js';
import type { NamedImage } from '../oci/engine.js';
import { type ContainerdClient, ignore } from './client.js';
import { storedDocument, writeBlob } from './content.js';
import { chainIds, type LayerDescriptor, type UnpackTarget, unpack } from './unpack.js';

/**
 * Images in containerd, as `ctr` and the garbage collector know them: a name, content that refers to other content by labels, and the snapshots that it
 * was unpacked into.
 */

/** On what a worker made: its scope. */
export const OWNER = 'dev.iluvatar.worker';
const MAX_NESTING = 3;

export interface ImportOptions extends UnpackTarget {
  /** Which worker may remove the name again; null = it is there to stay. */
  readonly owner: string | null;
  progress(line: string): void;
}

/** Content, name and snapshots of an image. What is there is not sent again. Resolves with the name of its uppermost snapshot. Rejects with ContainerdError or an IluvatarError. */
export async function importImage(
  client: ContainerdClient,
  { reference, image, config }: NamedImage,
  { snapshotter, lease, owner, progress }: ImportOptions,
): Promise<string> {
  const layers = layersOf(image);
  const top = chainIds(layers.map(({ diffId }) => diffId)).at(-1);
  for (const { blob } of image.layers) {
    if (await writeBlob(client, blob, { lease })) progress(`layer ${blob.digest.slice(7, 19)}: ${blob.size} bytes`);
  }
  const unpacked = top === undefined ? {} : { [`containerd.io/gc.ref.snapshot.${snapshotter}`]: top };
  await writeBlob(client, image.config, { lease, labels: unpacked });
  const children = [image.config.digest, ...image.layers.map(({ blob }) => blob.digest)];
  const labels = Object.fromEntries(children.map((digest, i) => [`containerd.io/gc.ref.content.${i}`, digest]));
  await writeBlob(client, image.manifest, { lease, labels });
  await nameImage(client, reference, image, owner);
  assertPlatform(config, hostPlatform(), reference);
  return unpack(client, layers, { snapshotter, lease });
}

/** A name that stands for another image, as after a new push under the same tag, comes to stand for this one. */
async function nameImage(
  client: ContainerdClient,
  name: string,
  { manifest, mediaType }: BuiltImage,
  owner: string | null,
): Promise<void> {
  const { images } = client;
  const labels: Record<string, string> = owner === null ? {} : { [OWNER]: owner };
  const { digest, size } = manifest;
  const target = { mediaType, digest, size, annotations: {} };
  const create = (kept: Record<string, string>): Promise<unknown> =>
    client.call('Images.Create', images.create, images, { image: { name, labels: kept, target } });
  try {
    await create(labels);
  } catch (error) {
    ignore((failure) => failure.alreadyExists)(error);
    const known = await getImage(client, name);
    if (known?.target?.digest === digest) return;
    await deleteImage(client, name);
    await create(known?.labels ?? labels).catch(ignore((failure) => failure.alreadyExists));
  }
}

/** An image of containerd's own, read from its content. */
export interface StoredImage {
  readonly config: ImageConfig;
  /** Of its manifest. */
  readonly digest: string;
  readonly layers: readonly LayerDescriptor[];
}

/** What containerd has under this name, for this machine; null = nothing, or only a part. Rejects with `invalid` for what is no image of ours to run. */
export async function findImage(client: ContainerdClient, reference: string): Promise<StoredImage | null> {
  const known = await getImage(client, reference);
  let digest = known?.target?.digest ?? null;
  for (let depth = 0; digest !== null; depth++) {
    if (depth > MAX_NESTING) throw new IluvatarError('invalid', `the indexes of ${reference} are nested too deep`);
    const bytes = await storedDocument(client, digest);
    if (bytes === null) return null;
    if (!isIndex(bytes, `the manifest of ${reference}`)) return readManifest(client, reference, digest, bytes);
    digest = pickManifest(parseIndex(bytes, `the index of ${reference}`), hostPlatform(), reference).digest;
  }
  return null;
}

async function readManifest(
  client: ContainerdClient,
  reference: string,
  digest: string,
  bytes: Buffer,
): Promise<StoredImage | null> {
  const manifest = parseManifest(bytes, `the manifest of ${reference}`);
  const configBytes = await storedDocument(client, manifest.config.digest);
  if (configBytes === null) return null;
  const config = parseConfig(configBytes, `the configuration of ${reference}`);
  assertPlatform(config, hostPlatform(), reference);
  const diffIds = config.rootfs.diff_ids ?? [];
  if (diffIds.length !== manifest.layers.length) {
    throw new IluvatarError(
      'invalid',
      `${reference} names ${diffIds.length} contents of ${manifest.layers.length} layers`,
    );
  }
  const layers = manifest.layers.map(({ mediaType, digest: layer, size }, i) => ({
    mediaType: layerType(mediaType, reference),
    digest: layer,
    size,
    diffId: diffIds[i] as string,
  }));
  return { config, digest, layers };
}

function layersOf(image: BuiltImage): LayerDescriptor[] {
  return image.layers.map(({ blob, mediaType, diffId }) => ({
    mediaType,
    digest: blob.digest,
    size: blob.size,
    diffId,
  }));
}

/** null = there is none. */
export async function getImage(client: ContainerdClient, name: string): Promise<Image | null> {
  const { images } = client;
  return client.call('Images.Get', images.get, images, { name }).then(
    ({ image }) => image ?? null,
    (error: unknown) => {
      ignore((failure) => failure.notFound)(error);
      return null;
    },
  );
}

export async function deleteImage(client: ContainerdClient, name: string): Promise<void> {
  const { images } = client;
  await client
    .call('Images.Delete', images.delete, images, { name, sync: false })
    .catch(ignore((failure) => failure.notFound));
}
