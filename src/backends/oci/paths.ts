import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveDataDir, SOCKET_PATH_MAX } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';

/** Longest thing below it: the socket of a container. */
const DEEPEST = 'c0000000/agents.sock';

/**
 * Where the sockets of a scope's containers are, a folder each. In the data folder, or, where that lies too deep for a socket's address, below the temporary
 * one; the same for the same worker, so that the next of its name finds what this one left.
 */
export function socketsFolder(config: Pick<WorkerConfig, 'name' | 'dataDir'>, scope: string): string {
  const dataDir = resolveDataDir(config);
  const folder = join(dataDir, 'run', scope);
  if (join(folder, DEEPEST).length <= SOCKET_PATH_MAX) return folder;
  const hash = createHash('sha256').update(`${dataDir}\0${scope}`).digest('hex').slice(0, 12);
  return join(tmpdir(), `iluvatar-run-${hash}`);
}
