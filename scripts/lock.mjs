import { createHash } from 'node:crypto';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const LOOK_MS = 100;

/**
 * Takes the lock of that name, which one process of this machine has at a time: an abstract unix socket, which the kernel gives back however its holder ends, so there is no stale lock to judge. Resolves with what
 * gives it back; null = somebody else has had it for `limitMs`. `waiting` is called once when somebody else has it.
 */
export async function lock(name, { limitMs, waiting = () => {} }) {
  // Names of sockets are short.
  const address = `\0iluvatar-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
  for (let round = 0; round < limitMs / LOOK_MS; round++) {
    const server = await new Promise((resolve) => {
      const attempt = createServer();
      attempt.once('error', () => resolve(null));
      attempt.listen(address, () => resolve(attempt));
    });
    if (server !== null) return () => server.close();
    if (round === 0) waiting();
    await sleep(LOOK_MS);
  }
  return null;
}
