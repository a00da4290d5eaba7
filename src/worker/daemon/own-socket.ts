import { mkdirSync, statSync, unlinkSync } from 'node:fs';
import { resolvePaths } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { native } from '../../native.js';
import type { InheritedSocket } from './inherited-sockets.js';

/**
 * The unix socket of a worker whose shard is a thread of its own. The process has it, and shards listen on copies: while one is started again, or another process takes this one's place, who connects waits in it
 * instead of being refused.
 */

const BACKLOG = 1024;

/** Throws IluvatarError `conflict` when somebody listens there, else `unavailable`. */
export function openOwnSocket(config: WorkerConfig): InheritedSocket {
  const { socket: path, dataDir } = resolvePaths(config);
  try {
    mkdirSync(dataDir, { recursive: true, mode: 0o700 });
    const fd = native().transport.listenUnix(path, Number.parseInt(config.socketMode, 8), BACKLOG);
    return { fd, address: path, own: true };
  } catch (error) {
    throw cannotListen(path, error as NodeJS.ErrnoException);
  }
}

export function cannotListen(path: string, { code, message }: NodeJS.ErrnoException): IluvatarError {
  const taken = code === 'EADDRINUSE';
  const why = taken ? 'another worker listens there' : message;
  return new IluvatarError(taken ? 'conflict' : 'unavailable', `cannot listen on ${path}: ${why}`);
}

/** Its path goes with it, where a process of this worker made it. */
export function closeOwnSocket({ fd, address, own }: InheritedSocket): void {
  if (own) {
    try {
      if (statSync(address).isSocket()) unlinkSync(address);
    } catch {
      // Somebody was quicker.
    }
  }
  native().system.close(fd);
}
