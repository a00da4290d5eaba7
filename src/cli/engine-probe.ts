import { existsSync } from 'node:fs';
import { ContainerdClient } from '../backends/containerd/client.js';
import type { Info } from '../backends/docker/api.js';
import { DockerClient } from '../backends/docker/client.js';
import type { WorkerConfig } from '../config/schema.js';

/** Whether a container engine answers where a worker would look for it, and what it says of itself. Changes nothing in it. */

export type Engines = Pick<WorkerConfig['backends'], 'containerd' | 'docker'>;

export type Probe<T> =
  | { readonly here: true; readonly socket: string; readonly version: string; readonly about: T }
  | { readonly here: false; readonly socket: string; readonly reason: string };

const LIMIT_MS = 2_000;
/** No snapshot has this name: an answer that there is none comes from a snapshotter that is there. */
const NO_SNAPSHOT = 'iluvatar-none';

export interface ContainerdAbout {
  /** Whether the configured one is there. */
  readonly snapshotter: boolean;
}

export async function probeContainerd({ containerd }: Engines): Promise<Probe<ContainerdAbout>> {
  const { address: socket, namespace, snapshotter } = containerd;
  const client = new ContainerdClient({ address: socket, namespace });
  try {
    const version = await client.reach(LIMIT_MS);
    const { snapshots } = client;
    const found = await client
      .call('Snapshots.Stat', snapshots.stat, snapshots, { snapshotter, key: NO_SNAPSHOT })
      .then(
        () => true,
        (error) => error.notFound === true,
      );
    return { here: true, socket, version, about: { snapshotter: found } };
  } catch (error) {
    return { here: false, socket, reason: reasonOf(error as Error, socket) };
  } finally {
    client.close();
  }
}

export async function probeDocker({ docker }: Engines): Promise<Probe<Info>> {
  const { socket } = docker;
  const client = new DockerClient(socket);
  try {
    const { Version: version } = await client.reach(LIMIT_MS);
    return { here: true, socket, version, about: await client.call<Info>('GET', '/info', { timeoutMs: LIMIT_MS }) };
  } catch (error) {
    return { here: false, socket, reason: reasonOf(error as Error, socket) };
  } finally {
    client.close();
  }
}

/** The commonest causes in a few words; clients say it in many. */
function reasonOf({ message }: Error, socket: string): string {
  if (/EACCES|permission denied/i.test(message)) return 'the socket may not be opened by this user';
  return existsSync(socket) ? message : 'there is no such socket';
}
