import { IluvatarError } from '../core/errors.js';
import { closeLog, createLog, reopenLog } from '../telemetry/logs/log.js';
import { Shard } from './shard.js';
import type { FromShard, ShardEnd, ShardTask, ToShard } from './shard-messages.js';
import { openWorkerStore, type WorkerStore } from './worker-store.js';

/** The piscina task that is a shard: starts it, beats, and returns when told to stop. */

const BEAT_MS = 1000;

export async function runShard({ config, port }: ShardTask): Promise<ShardEnd> {
  const tell = (message: FromShard): void => port.postMessage(message);
  const log = createLog(config);
  const beat = setInterval(() => tell({ type: 'beat' }), BEAT_MS);
  let opened: WorkerStore | null = null;
  try {
    opened = await openWorkerStore(config, log);
    const shard = new Shard({ config, log, store: opened.store });
    const stopped = new Promise<number>((resolve) => {
      port.on('message', (message: ToShard) => {
        if (message.type === 'stop') resolve(message.drainMs);
        else if (message.type === 'reopenLog') reopenLog(log);
        else shard.setThreads(message.threads);
      });
    });
    await shard.start();
    tell({ type: 'listening', httpPort: shard.httpPort });
    await shard.stop(await stopped);
    return null;
  } catch (error) {
    return endOf(error);
  } finally {
    await opened?.close();
    clearInterval(beat);
    port.close();
    await closeLog(log);
  }
}

/** An error that crosses threads by itself would lose its class. */
function endOf(error: unknown): ShardEnd {
  if (!(error instanceof IluvatarError)) throw error;
  const { errorClass, message, details } = error;
  return { errorClass, message, details };
}
