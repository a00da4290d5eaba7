import { setTimeout as sleep } from 'node:timers/promises';
import type { EngineExit } from '../oci/engine.js';
import { type ContainerdClient, ContainerdError, ignore } from './client.js';

/** What there is to know about tasks: their ends, and how they are ended. */

export const SPEC_TYPE = 'types.containerd.io/opencontainers/runtime-spec/1/Spec';

const SIGKILL = 9;
const SIGNALLED = 128;
const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 100;
const LIMIT_MS = 20_000;
/** What is left behind a daemon that is away is looked for when it is back. */
const AWAY_LIMIT_MS = 1_000;

/** An exit status above 128 is a signal's: nobody can tell it from a process that exits with such a code by itself. */
export function exitOf(status: number): EngineExit {
  const signal = status > SIGNALLED && status <= SIGNALLED + 64 ? status - SIGNALLED : 0;
  return { code: signal === 0 ? status : 0, signal, outOfMemory: false };
}

/**
 * Ends what runs of a container and removes the container, if there is one. Tried again while a process is on its way out, or after a call that failed for no
 * reason of the container's; not for long when nobody answers at all. Rejects when something may be left.
 */
export async function removeContainer(client: ContainerdClient, id: string, runtime: string): Promise<void> {
  const { tasks, containers } = client;
  const started = Date.now();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      const task = await deleted(client.call('Tasks.Delete', tasks.delete, tasks, { containerId: id }));
      const container = await deleted(client.call('Containers.Delete', containers.delete, containers, { id }));
      if (task || container || !(await isOrphan(client, id))) return;
      await recordAgain(client, id, runtime);
      continue;
    } catch (error) {
      if (!(error instanceof ContainerdError)) throw error;
      const limit = error.unavailable ? AWAY_LIMIT_MS : LIMIT_MS;
      if (Date.now() - started > limit) throw error;
    }
    const kill = { containerId: id, execId: '', signal: SIGKILL, all: true };
    await client.call('Tasks.Kill', tasks.kill, tasks, kill).catch(ignore(() => true));
    await sleep(pause);
  }
}

/** false = it was not there. */
function deleted(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    (error: unknown) => {
      ignore((failure) => failure.notFound)(error);
      return false;
    },
  );
}

/** A task whose container somebody else has removed: containerd goes on with it, but knows it under no name. */
async function isOrphan(client: ContainerdClient, id: string): Promise<boolean> {
  const { tasks } = client;
  const found = await client.call('Tasks.List', tasks.list, tasks, { filter: '' });
  return found.tasks.some((task) => task.id === id);
}

async function recordAgain(client: ContainerdClient, id: string, runtime: string): Promise<void> {
  const { containers } = client;
  const container = {
    id,
    labels: {},
    image: '',
    runtime: { name: runtime, options: undefined },
    spec: { typeUrl: SPEC_TYPE, value: Buffer.from('{}') },
    snapshotter: '',
    snapshotKey: '',
  };
  await client
    .call('Containers.Create', containers.create, containers, { container })
    .catch(ignore((error) => error.alreadyExists));
}
