import { setImmediate as turn } from 'node:timers/promises';
import type { Connection, ConnectionHandler, Transport } from '../../transport/transport.js';
import type { Gateway } from '../gateway.js';
import { type Give, HandOver, type HandOverResult, type UnixClientState } from '../hand-over.js';
import { UnixClient } from './unix-client.js';

/** The unix-socket edge: who connects, and who is handed on to another process or taken over from one. What clients ask is in `unix-client.ts`. */

export interface UnixSocketEdgeOptions {
  transport: Transport;
  gateway: Gateway;
  path: string;
  mode: number;
  /** A socket that listens there already; null = it is made. */
  fd: number | null;
}

export interface UnixSocketEdge {
  /** Open ones. */
  readonly connections: number;
  /**
   * Stops accepting, and gives each connection away once nothing is in flight on it and its last answer is in the kernel; reads nothing more meanwhile, but for what a client has begun
   * to send. What is busy after `limitMs` is kept and served on, until `close`. Who connects waits in the socket for whoever else has it: an edge that made its socket itself
   * closes that, and leaves nothing to wait in. Once more for what was kept.
   */
  handOver(give: Give, limitMs: number): Promise<HandOverResult>;
  /** Goes on with a connection that another edge gave away. `fd` is the edge's in any case; throws when it is no connected stream socket. */
  takeOver(fd: number, state: UnixClientState): void;
  /** Stops accepting and closes what is open. */
  close(): void;
}

/** Starts listening. Throws EADDRINUSE when another worker listens there. */
export function startUnixSocketEdge(options: UnixSocketEdgeOptions): UnixSocketEdge {
  const { transport, gateway, fd, path, mode } = options;
  const clients = new Set<UnixClient>();
  let leaving = false;
  let handing: HandOver<UnixClient> | null = null;
  const gone = (client: UnixClient): void => {
    clients.delete(client);
  };
  const leave = (client: UnixClient): void => client.leave((left) => handing?.look(left));
  const accept = (connection: Connection): ConnectionHandler => {
    const client = new UnixClient(connection, gateway, gone);
    clients.add(client);
    if (leaving) leave(client);
    return client;
  };
  const stop = fd === null ? transport.listen(path, mode, accept) : transport.listenOn(fd, accept);
  return {
    get connections() {
      return clients.size;
    },
    async handOver(hand, limitMs) {
      stop(true);
      leaving = true;
      for (const client of clients) leave(client);
      // Whoever was accepted is announced when the loop has come round, and is a client like the others.
      await turn();
      await turn();
      const give = (client: UnixClient): boolean => {
        const given = client.giveUp();
        if (given < 0) return false;
        clients.delete(client);
        hand({ edge: 'unix', fd: given, state: client.state });
        return true;
      };
      handing = new HandOver(clients, limitMs, give, (client) => client.isBusy);
      const result = await handing.done;
      handing = null;
      leaving = false;
      for (const client of clients) client.stay();
      return result;
    },
    takeOver(given, state) {
      const peerMaxBody = state.peerMaxBody ?? Number.POSITIVE_INFINITY;
      const connection = transport.resume(given, peerMaxBody, UNHANDLED);
      const client = new UnixClient(connection, gateway, gone, state);
      connection.handler = client;
      clients.add(client);
    },
    close() {
      stop();
      for (const client of clients) client.end();
    },
  };
}

/** Nothing comes before the loop turns. */
const UNHANDLED: ConnectionHandler = { frame() {}, closed() {} };
