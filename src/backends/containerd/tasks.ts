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

/** An exit status above 128 is a signal's: nobody can tell it from a process that exits with such a code by itself. */
export function exitOf(status: number): EngineExit {
  const signal = status > SIGNALLED && status <= SIGNALLED + 64 ? status - SIGNALLED : 0;
  return { code: signal === 0 ? status : 0, signal, outOfMemory: false };
}

/** Kills and deletes a task, if there is one. Rejects when it is still there after all. */
export async function endTask(client: ContainerdClient, containerId: string): Promise<void> {
  const { tasks } = client;
  const kill = { containerId, execId: '', signal: SIGKILL, all: true };
  const started = Date.now();
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      await client.call('Tasks.Delete', tasks.delete, tasks, { containerId });
      return;
    } catch (error) {
      if (!(error instanceof ContainerdError)) throw error;
      if (error.notFound) return;
      // Running: it is killed below. Away: the daemon may be back in time.
      if (Date.now() - started > LIMIT_MS) throw error;
    }
    await client.call('Tasks.Kill', tasks.kill, tasks, kill).catch(ignore(() => true));
    await sleep(pause);
  }
}
