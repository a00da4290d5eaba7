import { randomBytes } from 'node:crypto';
import { ContainerdClient } from '../backends/containerd/client.js';
import { importImage } from '../backends/containerd/stored-image.js';
import { DockerClient } from '../backends/docker/client.js';
import { loadImage } from '../backends/docker/images.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { readAll } from '../images/blobs.js';
import { DOCUMENT_LIMIT, parseConfig } from '../images/documents.js';
import type { BuiltImage } from '../images/image.js';
import { formatReference, type ImageReference } from '../images/references.js';
import type { EngineName } from './build.js';

/** `iluvatar build --import`: brings an image into a container engine, where it stays like any other. The engine is found as a worker finds it. */

const REACH_LIMIT_MS = 5_000;
/** If the command dies half-way, what it left goes by itself. */
const LEASE_HOURS = 24;

type Engines = WorkerConfig['backends'];

/** Rejects with an IluvatarError. */
export async function importInto(
  engine: EngineName,
  image: BuiltImage,
  name: ImageReference,
  backends: Engines,
  progress: (line: string) => void,
): Promise<void> {
  const bring = engine === 'containerd' ? intoContainerd : intoDocker;
  try {
    await bring(image, name, backends, progress);
  } catch (error) {
    if (error instanceof IluvatarError) throw error;
    throw new IluvatarError('unavailable', (error as Error).message);
  }
  progress(`${formatReference(name)} is in ${engine}`);
}

async function intoContainerd(
  image: BuiltImage,
  name: ImageReference,
  { containerd }: Engines,
  progress: (line: string) => void,
): Promise<void> {
  const { snapshotter } = containerd;
  const client = new ContainerdClient(containerd);
  const { leases } = client;
  const id = `iluvatar-build-${randomBytes(6).toString('hex')}`;
  try {
    await client.reach(REACH_LIMIT_MS);
    await client.ensureNamespace();
    const expires = new Date(Date.now() + LEASE_HOURS * 3_600_000).toISOString();
    await client.call('Leases.Create', leases.create, leases, { id, labels: { 'containerd.io/gc.expire': expires } });
    try {
      const bytes = await readAll(image.config.open(), DOCUMENT_LIMIT, image.config.digest);
      const config = parseConfig(bytes, 'the configuration');
      const named = { reference: formatReference(name), image, config };
      await importImage(client, named, { snapshotter, lease: id, owner: null, progress });
    } finally {
      await client.call('Leases.Delete', leases.delete, leases, { id, sync: false });
    }
  } finally {
    client.close();
  }
}

async function intoDocker(image: BuiltImage, name: ImageReference, { docker }: Engines): Promise<void> {
  const client = new DockerClient(docker.socket);
  try {
    await client.reach(REACH_LIMIT_MS);
    await loadImage(client, image, name);
  } finally {
    client.close();
  }
}
