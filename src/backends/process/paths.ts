import { mkdirSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveDataDir, SOCKET_PATH_MAX } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';

/**
 * Where the backend keeps things on the host. Everything below `dataDir` is 0700: containers see single folders of the store through
 * bind mounts, never the store itself.
 */
export interface BackendPaths {
  readonly dataDir: string;
  /** Content-addressed code and layers; bound into spawners. */
  readonly store: string;
  readonly code: string;
  readonly layers: string;
  /** Half-made things of this run: renamed into the store when complete, swept at the next start. */
  readonly staging: string;
  /** Holds only the agents socket, since spawners see the whole folder. */
  readonly run: string;
  readonly agentsSocket: string;
  /** The temporary folder that holds the sockets instead of `dataDir`; null = none. */
  readonly temporary: string | null;
}

/** Makes the folders. Throws system errors (EACCES, ENOSPC) with their path. */
export function makePaths(config: Pick<WorkerConfig, 'name' | 'dataDir'>, shard: number): BackendPaths {
  const dataDir = resolveDataDir(config);
  const store = join(dataDir, 'store');
  let sockets = join(dataDir, 'run');
  // A deep data folder would make addresses that do not fit: the sockets then live in a private temporary folder.
  if (join(sockets, 'agents-00', 'agents.sock').length > SOCKET_PATH_MAX) {
    sockets = mkdtempSync(join(tmpdir(), 'iluvatar-run-'));
  }
  const paths: BackendPaths = {
    dataDir,
    store,
    code: join(store, 'code'),
    layers: join(store, 'layers'),
    staging: join(dataDir, 'staging', `${shard}`),
    run: join(sockets, `agents-${shard}`),
    agentsSocket: join(sockets, `agents-${shard}`, 'agents.sock'),
    temporary: sockets.startsWith(dataDir) ? null : sockets,
  };
  for (const folder of [dataDir, store, paths.code, paths.layers, paths.staging, paths.run]) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }
  return paths;
}
