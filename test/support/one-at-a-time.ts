import { lock } from '../../scripts/lock.mjs';

/** As long as the longest build may take, on a machine that does a lot else. */
const LIMIT_MS = 900_000;

/** Runs `work` while no other process does under the same name. */
export async function oneAtATime<T>(name: string, work: () => Promise<T>): Promise<T> {
  const release = await lock(name, { limitMs: LIMIT_MS });
  if (release === null) throw new Error(`another process has been at "${name}" for ${LIMIT_MS / 60_000} minutes`);
  try {
    return await work();
  } finally {
    release();
  }
}
