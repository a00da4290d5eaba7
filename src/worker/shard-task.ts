import { IluvatarError } from '../core/errors.js';
import { closeLog, createLog, reopenLog } from '../telemetry/logs/log.js';
import type { KeptFunction } from './function-registry.js';
import { Shard } from './shard.js';
import type { FromShard, ShardEnd, ShardTask, ToShard } from './shard-messages.js';

/** The piscina task that is a shard: starts it, beats, and returns when told to stop. */

const BEAT_MS = 1000;

export async function runShard({ config, functions, port }: ShardTask): Promise<ShardEnd> {
  const tell = (message: FromShard): void => port.postMessage(message);
  const log = createLog(config);
  const shard = new Shard({
    config,
    log,
    registered: (kept) => tell({ type: 'registered', kept }),
    unregistered: (name, version) => tell({ type: 'unregistered', name, version }),
  });
  const beat = setInterval(() => tell({ type: 'beat' }), BEAT_MS);
  try {
    const stopped = new Promise<number>((resolve) => {
      port.on('message', (message: ToShard) => {
        if (message.type === 'stop') resolve(message.drainMs);
        else if (message.type === 'reopenLog') reopenLog(log);
        else shard.setThreads(message.threads);
      });
    });
    const failure = await start(shard, functions);
    if (failure !== null) return failure;
    tell({ type: 'listening', httpPort: shard.httpPort });
    await shard.stop(await stopped);
    return null;
  } finally {
    clearInterval(beat);
    port.close();
    await closeLog(log);
  }
}

async function start(shard: Shard, functions: readonly KeptFunction[]): Promise<ShardEnd> {
  try {
    await shard.start(functions);
    return null;
  } catch (error) {
    if (!(error instanceof IluvatarError)) throw error;
    const { errorClass, message, details } = error;
    return { errorClass, message, details };
  }
}
