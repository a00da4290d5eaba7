import { randomBytes } from 'node:crypto';
import { IluvatarError } from '../../core/errors.js';
import { digestOf } from '../../images/blobs.js';
import type { Mount } from '../../rpc/gen/types.js';
import { type ContainerdClient, ignore } from './client.js';

/** From layers in the content store to snapshots, one upon the other, each named by the chain of contents below it. */

export interface UnpackTarget {
  readonly snapshotter: string;
  readonly lease: string | null;
}

export interface LayerDescriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  /** Of the tar itself. */
  readonly diffId: string;
}

const SNAPSHOT_REF = 'containerd.io/snapshot.ref';
/** A layer of gigabytes on a slow disk takes its time. */
const APPLY_LIMIT_MS = 20 * 60_000;

/** Names of the snapshots of an image, lowest first. */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const below = chain.at(-1);
    chain.push(below === undefined ? diffId : digestOf(Buffer.from(`${below} ${diffId}`)));
  }
  return chain;
}

/** Makes the snapshots that are missing. Resolves with the name of the uppermost; '' = there are no layers. */
export async function unpack(
  client: ContainerdClient,
  layers: readonly LayerDescriptor[],
  target: UnpackTarget,
): Promise<string> {
  const names = chainIds(layers.map(({ diffId }) => diffId));
  let first = layers.length;
  while (first > 0 && !(await snapshotExists(client, target.snapshotter, names[first - 1] as string))) first--;
  for (let i = first; i < layers.length; i++) {
    await unpackLayer(client, layers[i] as LayerDescriptor, names[i] as string, names[i - 1] ?? '', target);
  }
  return names.at(-1) ?? '';
}

export async function snapshotExists(client: ContainerdClient, snapshotter: string, key: string): Promise<boolean> {
  const { snapshots } = client;
  return client.call('Snapshots.Stat', snapshots.stat, snapshots, { snapshotter, key }).then(
    () => true,
    (error: unknown) => {
      ignore((failure) => failure.notFound)(error);
      return false;
    },
  );
}

async function unpackLayer(
  client: ContainerdClient,
  layer: LayerDescriptor,
  name: string,
  parent: string,
  { snapshotter, lease }: UnpackTarget,
): Promise<void> {
  const { snapshots, diff } = client;
  const key = `iluvatar-unpack-${randomBytes(6).toString('hex')} ${name}`;
  let mounts: Mount[];
  try {
    // Named ahead: a snapshotter that has the layer already (another namespace's, a remote one's) need not unpack it.
    const request = { snapshotter, key, parent, labels: { [SNAPSHOT_REF]: name } };
    ({ mounts } = await client.call('Snapshots.Prepare', snapshots.prepare, snapshots, request, { lease }));
  } catch (error) {
    ignore((failure) => failure.alreadyExists)(error);
    return;
  }
  try {
    const { mediaType, digest, size, diffId } = layer;
    const request = { diff: { mediaType, digest, size, annotations: {} }, mounts };
    const options = { lease, deadlineMs: APPLY_LIMIT_MS };
    const { applied } = await client.call('Diff.Apply', diff.apply, diff, request, options);
    if (applied?.digest !== diffId) {
      throw new IluvatarError('invalid', `the layer ${digest} holds ${applied?.digest}, and its image says ${diffId}`);
    }
    const commit = { snapshotter, name, key, labels: { [SNAPSHOT_REF]: name } };
    await client.call('Snapshots.Commit', snapshots.commit, snapshots, commit, { lease });
  } catch (error) {
    await client
      .call('Snapshots.Remove', snapshots.remove, snapshots, { snapshotter, key })
      .catch(ignore((failure) => failure.notFound));
    // Somebody else unpacked it meanwhile.
    ignore((failure) => failure.alreadyExists)(error);
  }
}
