import { createServer } from 'node:net';
import { IluvatarError } from '../core/errors.js';

/**
 * Keeps two workers of one name apart: each would take the other's containers for leftovers and kill them. The lock is an
 * abstract socket, which the kernel takes away with its process, however that ends.
 */
export interface NameLock {
  release(): void;
}

export function assertAlone(parent: string, scope: string): Promise<NameLock> {
  return takeLock(
    `${parent}/${scope}`,
    `another worker named "${scope}" runs on this machine: give this one another name`,
  );
}

/** Rejects with `conflict` and this message when somebody on this machine (in this network namespace) has it. `name`: at most 90 bytes. */
export function takeLock(name: string, taken: string): Promise<NameLock> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.on('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? new IluvatarError('conflict', taken) : error);
    });
    server.listen(`\0iluvatar/${name}`, () => {
      server.unref();
      resolve({ release: () => server.close() });
    });
  });
}
