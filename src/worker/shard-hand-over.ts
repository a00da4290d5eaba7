import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '../core/engine.js';
import { IluvatarError } from '../core/errors.js';
import { failpoint } from '../failpoints.js';
import { native } from '../native.js';
import type { HandedOver, HandOverResult } from '../server/hand-over.js';
import type { Holdings } from './adoption/holdings.js';
import type { AsyncService } from './async/service.js';
import type { InheritedSockets } from './daemon/inherited-sockets.js';
import type { ShardEdges } from './shard-edges.js';
import type { WorkerGateway } from './worker-gateway.js';

/**
 * How a shard makes ready for another process to go on where it was: it stops reading what clients send, ends what it has read, and leaves their connections, and the sockets where others wait, with the
 * keeper, which has the containers already.
 */

export interface HandOverParts {
  readonly edges: ShardEdges;
  readonly engine: Engine;
  readonly async: AsyncService;
  readonly gateway: WorkerGateway;
  readonly holdings: Holdings;
  /** Those that became ready a moment ago are kept, too. */
  keepContainers(): void;
}

const LOOK_MS = 5;

/** Rejects with `unavailable`, with everything going on as before, when what runs has not ended within `drainMs`, or nobody keeps anything. */
export async function handOverShard(parts: HandOverParts, drainMs: number): Promise<HandOverResult> {
  const { edges, async, holdings } = parts;
  if (!holdings.active) {
    const message = 'there is no keeper (recovery.mode "adopt"), so nothing can be handed over';
    throw new IluvatarError('unavailable', message);
  }
  const clients: HandedOver[] = [];
  async.pause();
  const listening = edges.listening();
  try {
    const result = await untilQuiet(parts, clients, drainMs);
    failpoint('upgrade.quiet');
    await leave(parts, clients, listening);
    failpoint('upgrade.left');
    return result;
  } catch (error) {
    await edges.reopen(listening);
    for (const client of clients) edges.takeOver(client);
    async.resume();
    throw error;
  } finally {
    for (const socket of [listening.http, listening.grpc]) if (socket?.own === true) native().system.close(socket.fd);
  }
}

/** Nothing more is read, and what was read has ended. */
async function untilQuiet(
  { edges, engine }: HandOverParts,
  clients: HandedOver[],
  drainMs: number,
): Promise<HandOverResult> {
  const until = Date.now() + drainMs;
  const result = await edges.handOver((client) => clients.push(client), drainMs);
  while (engine.open > 0 && Date.now() < until) await pause(LOOK_MS);
  const busy = Math.max(result.kept, engine.open);
  if (busy === 0) return result;
  const calls = busy === 1 ? '1 call' : `${busy} calls`;
  throw new IluvatarError(
    'unavailable',
    `${calls} had not ended after ${drainMs} ms; a longer time may be given, or another moment chosen`,
  );
}

async function leave(
  { gateway, holdings, keepContainers }: HandOverParts,
  clients: readonly HandedOver[],
  listening: InheritedSockets,
): Promise<void> {
  await holdings.begin();
  keepContainers();
  await holdings.keepClients(clients, gateway.handles, listening);
}
