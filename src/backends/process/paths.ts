import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
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
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    sockets = makeTemporarySockets(dataDir);
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

const PREFIX = 'iluvatar-run-';

/**
 * Its name is chosen at random, since anybody may make folders there: so it is written down before it is made, and whoever comes after a crash finds it. No name
 * of the worker's leads there.
 */
function makeTemporarySockets(dataDir: string): string {
  const left = temporarySockets(dataDir);
  if (left !== null) rmSync(left, { recursive: true, force: true });
  const folder = join(tmpdir(), `${PREFIX}${randomBytes(6).toString('hex')}`);
  writeFileSync(note(dataDir), folder, { mode: 0o600 });
  mkdirSync(folder, { mode: 0o700 });
  return folder;
}

/** The temporary folder that a worker with this data folder has made and not removed; null = there is none. */
export function temporarySockets(dataDir: string): string | null {
  try {
    const folder = readFileSync(note(dataDir), 'utf8');
    const isOurs = basename(folder).startsWith(PREFIX) && dirname(folder) === tmpdir();
    return isOurs && existsSync(folder) ? folder : null;
  } catch {
    return null;
  }
}

function note(dataDir: string): string {
  return join(dataDir, 'sockets-folder');
}
