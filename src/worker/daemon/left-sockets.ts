import { isIP } from 'node:net';
import { closeAll } from '../../backends/kept.js';
import { resolvePaths } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { Keeper, type KeeperLog } from '../../keeper/keeper.js';
import { native } from '../../native.js';
import { keeperPath } from '../adoption/keeper-path.js';
import { type InheritedSocket, type InheritedSockets, NO_SOCKETS } from './inherited-sockets.js';

/** Listening sockets that one process of a worker leaves with the keeper for the next: who connects in between waits in them, and is not refused. */

const LISTENING = 'listening ';
const EDGES = ['http', 'grpc', 'unix'] as const;

/** The descriptors may be closed afterwards. */
export function keepListening(keeper: Keeper, sockets: InheritedSockets): void {
  for (const edge of EDGES) {
    const socket = sockets[edge];
    if (socket === null) continue;
    const { fd, ...facts } = socket;
    keeper.hold(LISTENING + edge, JSON.stringify(facts), [fd]);
  }
}

/** Those that were left, if any, and that the configuration still asks for; the keeper gives them up. Descriptors stay open as long as this process lives, so that each of its shards finds them. */
export async function takeLeftSockets(config: WorkerConfig, log: KeeperLog): Promise<InheritedSockets> {
  const keeper = await Keeper.find({ path: keeperPath(config), log });
  if (keeper === null) return NO_SOCKETS;
  const found: { -readonly [edge in keyof InheritedSockets]: InheritedSockets[edge] } = { ...NO_SOCKETS };
  for (const { key, text, fds } of await keeper.list()) {
    const edge = EDGES.find((name) => key === LISTENING + name);
    const [fd] = fds;
    if (edge === undefined || fd === undefined) {
      // Another's to take, which is given copies of its own.
      closeAll(fds);
      continue;
    }
    keeper.drop(key);
    const socket = { ...(JSON.parse(text) as Omit<InheritedSocket, 'fd'>), fd };
    if (isWanted(edge, socket, config)) found[edge] = socket;
    else native().system.close(fd);
  }
  await keeper.flush();
  keeper.close();
  return found;
}

/** One at another address than is configured now would serve where nobody looks. */
function isWanted(edge: (typeof EDGES)[number], { address }: InheritedSocket, config: WorkerConfig): boolean {
  if (edge === 'unix') return address === resolvePaths(config).socket;
  const wanted = config[edge];
  const port = Number(address.slice(address.lastIndexOf(':') + 1));
  const host = address.slice(0, address.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  // A name may stand for any address: such a socket is made anew only when its port changes.
  const sameHost = isIP(wanted.address) === 0 || wanted.address === host;
  return wanted.enabled && sameHost && (wanted.port === 0 || wanted.port === port);
}
