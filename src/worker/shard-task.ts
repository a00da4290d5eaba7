import type { ReloadReport } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { closeLog, createLog, type Log, reopenLog, setLogLevels } from '../telemetry/logs/log.js';
import type { KeptFunction } from './function-registry.js';
import { PendingReplies } from './pending-replies.js';
import { Shard } from './shard.js';
import {
  describeError,
  type FromShard,
  type ShardEnd,
  type ShardTask,
  type ToShard,
  toError,
} from './shard-messages.js';

/** The piscina task that is a shard: starts it, beats, and returns when told to stop. */

const BEAT_MS = 1000;
const RELOAD_LIMIT_MS = 30_000;

export async function runShard({ config, functions, sockets, port }: ShardTask): Promise<ShardEnd> {
  const tell = (message: FromShard): void => port.postMessage(message);
  const log = createLog(config);
  const reloads = new PendingReplies<ReloadReport>(RELOAD_LIMIT_MS);
  const shard = new Shard({
    config,
    log,
    sockets,
    reload: () => reloads.ask((id) => tell({ type: 'reload', id })),
    registered: (kept) => tell({ type: 'registered', kept }),
    unregistered: (name, version) => tell({ type: 'unregistered', name, version }),
  });
  const beat = setInterval(() => tell({ type: 'beat' }), BEAT_MS);
  try {
    const stopped = new Promise<number>((resolve) => {
      port.on('message', (message: ToShard) => {
        if (message.type === 'stop') resolve(message.drainMs);
        else if (message.type === 'reopenLog') reopen(log);
        else if (message.type === 'threads') shard.setThreads(message.threads);
        else if (message.type === 'configure') {
          tell({ type: 'configured', id: message.id, error: configure(shard, log, message.config) });
        } else if (message.report !== null) reloads.answer(message.id, message.report);
        else if (message.error !== null) reloads.fail(message.id, toError(message.error));
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
    return describeError(error);
  }
}

function configure(shard: Shard, log: Log, config: WorkerConfig): ShardEnd {
  try {
    shard.configure(config);
    setLogLevels(log, config.log);
    return null;
  } catch (error) {
    return describeError(error);
  }
}

/** A log that cannot be opened again goes on with the old file; thrown on, it would end the shard. */
function reopen(log: Log): void {
  try {
    reopenLog(log);
  } catch (error) {
    log.error({ err: error }, 'the log file could not be opened again');
  }
}
