import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type NameLock, takeLock } from '../backends/name-lock.js';
import { resolveDataDir } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { MemoryStore } from '../store/memory-store.js';
import { openLmdbStore } from '../store/open-lmdb-store.js';
import type { Store } from '../store/store.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import { threadFile } from './thread-file.js';

/** A worker's store with the lock on its data folder. */
export interface WorkerStore {
  readonly store: Store;
  /** Writes what is left. Never rejects. */
  close(): Promise<void>;
}

/** Rejects with `conflict` when another worker has the data folder, and `unavailable` with the cause when the store cannot be opened. */
export async function openWorkerStore(config: WorkerConfig, log: Log): Promise<WorkerStore> {
  const dataDir = resolveDataDir(config);
  const lock = await lockDataFolder(dataDir);
  if (!config.store.enabled) return { store: new MemoryStore(), close: async () => lock.release() };
  try {
    const store = await openLmdbStore({
      folder: stateFolder(dataDir),
      maxBytes: config.store.maxMb * 1024 * 1024,
      lazyMs: config.store.writeMs,
      program: threadFile('store/check-program'),
      log: moduleLog(log, 'store'),
    });
    return {
      store,
      close: async () => {
        await store.close();
        if (store.trouble !== null) log.error({ trouble: store.trouble }, 'the store could not be written to its end');
        lock.release();
      },
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Not `store`, which is code and layers, and seen by spawners. */
function stateFolder(dataDir: string): string {
  return join(dataDir, 'state');
}

/** By the folder itself, whatever path leads there. Held by every worker, and by whoever removes what one has left. */
export async function lockDataFolder(dataDir: string): Promise<NameLock> {
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new IluvatarError('unavailable', `the data folder cannot be made: ${(error as Error).message}`);
  }
  const { dev, ino } = statSync(dataDir);
  return takeLock(
    `data/${dev}-${ino}`,
    `another worker uses the data folder ${dataDir}: give this one another dataDir`,
  );
}
