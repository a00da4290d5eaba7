import type { WorkerConfig } from '../../config/schema.js';
import { Keeper, type KeeperLog } from '../../keeper/keeper.js';
import { native } from '../../native.js';
import { keeperPath } from '../adoption/keeper-path.js';
import { type InheritedSocket, type InheritedSockets, NO_SOCKETS } from './inherited-sockets.js';

/** Listening sockets that one process of a worker leaves with the keeper for the next: who connects in between waits in them, and is not refused. */

const LISTENING = 'listening ';
const EDGES = ['http', 'unix'] as const;

/** The descriptors may be closed afterwards. */
export function keepListening(keeper: Keeper, sockets: InheritedSockets): void {
  for (const edge of EDGES) {
    const socket = sockets[edge];
    if (socket === null) continue;
    const { fd, ...facts } = socket;
    keeper.hold(LISTENING + edge, JSON.stringify(facts), [fd]);
  }
}

/** Those that were left, if any; the keeper gives them up. Descriptors stay open as long as this process lives, so that each of its shards finds them. */
export async function takeLeftSockets(
  config: Pick<WorkerConfig, 'name' | 'dataDir'>,
  log: KeeperLog,
): Promise<InheritedSockets> {
  const keeper = await Keeper.find({ path: keeperPath(config), log });
  if (keeper === null) return NO_SOCKETS;
  const found: { -readonly [edge in keyof InheritedSockets]: InheritedSockets[edge] } = { ...NO_SOCKETS };
  for (const { key, text, fds } of await keeper.list()) {
    const edge = EDGES.find((name) => key === LISTENING + name);
    const [fd] = fds;
    if (edge === undefined || fd === undefined) {
      // Another's to take, which is given copies of its own.
      for (const other of fds) native().system.close(other);
      continue;
    }
    keeper.drop(key);
    found[edge] = { ...(JSON.parse(text) as Omit<InheritedSocket, 'fd'>), fd };
  }
  await keeper.flush();
  keeper.close();
  return found;
}
