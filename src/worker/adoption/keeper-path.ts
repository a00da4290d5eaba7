import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveDataDir, SOCKET_PATH_MAX } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';

/**
 * The keeper's socket. In the data folder, or, where that lies too deep for a socket's address, in the temporary one under a name made from it: the next worker of this data folder finds it. That somebody else
 * stands there is no danger: both ends look at who the other one is.
 */
export function keeperPath(config: Pick<WorkerConfig, 'name' | 'dataDir'>): string {
  const dataDir = resolveDataDir(config);
  const path = join(dataDir, 'keeper.sock');
  if (Buffer.byteLength(path) <= SOCKET_PATH_MAX) return path;
  const hash = createHash('sha256').update(dataDir).digest('hex').slice(0, 16);
  return join(tmpdir(), `iluvatar-keeper-${hash}.sock`);
}
