import { appendFileSync, readFileSync } from 'node:fs';
import type { FromShard, ShardEnd, ShardTask } from '../../../src/worker/shard-messages.js';
import { Beat } from '../../../src/worker/supervision/beats.js';
import { misbehave } from './misbehave.js';

/**
 * Stands in for a shard and misbehaves as its data folder's `plan` says, one word per start: `throw`, `reject`, `exit`, `hang`, or `serve`. Faults of a
 * thread cannot be provoked from outside otherwise. Notes each start in `starts`.
 */
export async function runShard({ config, port, beats }: ShardTask): Promise<ShardEnd> {
  const tell = (message: FromShard): void => port.postMessage(message);
  const before = readFileSync(`${config.dataDir}/starts`, 'utf8').split('\n').length - 1;
  const fault = readFileSync(`${config.dataDir}/plan`, 'utf8').trim().split(' ')[before];
  appendFileSync(`${config.dataDir}/starts`, `started\n`);
  tell({ type: 'listening', httpPort: 1000 + before, grpcPort: null });
  const ownBeat = new Beat(beats);
  const beat = setInterval(() => ownBeat.beat(), 20);
  const stopped = new Promise<null>((resolve) => {
    port.on('message', ({ type }: { type: string }) => {
      if (type === 'stop') resolve(null);
    });
  });
  setTimeout(() => misbehave(fault), 50);
  try {
    return await stopped;
  } finally {
    clearInterval(beat);
    port.close();
  }
}
