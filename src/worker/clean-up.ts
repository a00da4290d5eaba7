import { existsSync } from 'node:fs';
import { backendLeftovers, type Leftovers, lockedScopes } from '../backends/leftovers.js';
import { assertAlone, type NameLock } from '../backends/name-lock.js';
import { FolderLeftovers } from '../backends/process/leftovers.js';
import { resolveDataDir } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { ContainerNetworks } from '../net/container-networks.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import { KeeperLeftovers } from './adoption/keeper-leftovers.js';
import { lockDataFolder } from './worker-store.js';

/** Finds and removes what a worker of this name and data folder has left on the machine, while it does not run. Its store, code, layers, images and logs stay. */

export interface CleanUpReport {
  /** One each; with `dryRun` they are still there. */
  readonly leftovers: readonly string[];
  /** Who could not be asked, and what could not be removed, in sentences. */
  readonly problems: readonly string[];
}

/** Rejects with `conflict` while a worker of this name or data folder runs. */
export async function cleanUp(config: WorkerConfig, log: Log, { dryRun = false } = {}): Promise<CleanUpReport> {
  const locks = await takeLocks(config);
  try {
    const found: string[] = [];
    const problems: string[] = [];
    for (const leftovers of allLeftovers(config, log)) {
      try {
        const listed = await leftovers.list();
        found.push(...listed);
        if (dryRun || listed.length === 0) continue;
        await leftovers.remove();
        const left = await leftovers.list();
        if (left.length > 0) problems.push(`not removed: ${left.join(', ')}`);
      } catch (error) {
        problems.push((error as Error).message);
      }
    }
    return { leftovers: found, problems };
  } finally {
    for (const lock of locks) lock.release();
  }
}

/** What the keeper holds is kept alive by it. Processes hold namespaces, and sockets their folders: so what runs goes first, then networks, then folders. */
function allLeftovers(config: WorkerConfig, log: Log): Leftovers[] {
  const networks = new ContainerNetworks({ config, log: moduleLog(log, 'network') });
  return [
    new KeeperLeftovers(config, moduleLog(log, 'recovery')),
    ...backendLeftovers(config, moduleLog(log, 'backends')),
    { list: () => networks.leftovers(), remove: () => networks.removeLeftovers() },
    new FolderLeftovers(config),
  ];
}

/** All that a worker would hold, so that none begins meanwhile either. */
async function takeLocks(config: WorkerConfig): Promise<NameLock[]> {
  const locks: NameLock[] = [];
  try {
    const dataDir = resolveDataDir(config);
    if (existsSync(dataDir)) locks.push(await lockDataFolder(dataDir));
    for (const scope of lockedScopes(config)) locks.push(await assertAlone(config.cgroup.parent, scope));
    return locks;
  } catch (error) {
    for (const lock of locks) lock.release();
    throw error;
  }
}
