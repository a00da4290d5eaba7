import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '../core/engine.js';
import { IluvatarError } from '../core/errors.js';
import { failpoint } from '../failpoints.js';
import { native } from '../native.js';
import type { HandedOver, HandOverResult } from '../server/hand-over.js';
import type { Holdings } from './adoption/holdings.js';
import type { AsyncService } from './async/service.js';
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
  const { edges, engine, async, gateway, holdings, keepContainers } = parts;
  if (!holdings.active)
    throw new IluvatarError('unavailable', 'there is no keeper (recovery.mode "adopt"), so nothing can be handed over');
  const until = Date.now() + drainMs;
  const clients: HandedOver[] = [];
  async.pause();
  const listening = edges.listening();
  const result = await edges.handOver((client) => clients.push(client), drainMs);
  const { kept } = result;
  while (engine.open > 0 && Date.now() < until) await pause(LOOK_MS);
  if (kept > 0 || engine.open > 0) {
    const busy = Math.max(kept, engine.open);
    await edges.reopen(listening);
    if (listening.http?.own === true) native().system.close(listening.http.fd);
    for (const client of clients) edges.takeOver(client);
    async.resume();
    throw new IluvatarError(
      'unavailable',
      `${busy} calls had not ended after ${drainMs} ms; a longer time may be given, or another moment chosen`,
    );
  }
  failpoint('upgrade.quiet');
  await holdings.begin();
  keepContainers();
  await holdings.keepClients(clients, gateway.handles, listening);
  failpoint('upgrade.left');
  if (listening.http?.own === true) native().system.close(listening.http.fd);
  return result;
}
