import { loadBackends } from '../backends/backends.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { closeLog, createLog, type Log, reopenLog, setLogLevels } from '../telemetry/logs/log.js';
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
import type { ShardOptions } from './shard-options.js';
import { Beat } from './supervision/beats.js';
import { onThreadEnd } from './supervision/last-words.js';
import { openWorkerStore, type WorkerStore } from './worker-store.js';

/** The piscina task that is a shard: starts it, beats, and returns when told to stop. */

const BEAT_MS = 1000;
/** Beside the time that a new process may take to stand by. */
const ASK_LIMIT_MS = 30_000;

/** `parts`: what a test puts in the place of the shard's own. Whoever runs the task from outside can give none. */
export async function runShard(
  { config, sockets, port, beats, inFlight }: ShardTask,
  parts: Pick<ShardOptions, 'lifecycleFile'> = {},
): Promise<ShardEnd> {
  const tell = (message: FromShard): void => port.postMessage(message);
  const log = createLog(config);
  const questions = new PendingReplies<unknown>(ASK_LIMIT_MS + config.daemon.upgrade.readyMs);
  const beating = startBeating(new Beat(beats), config);
  let opened: WorkerStore | null = null;
  let endsAsAsked = (): void => {};
  try {
    const backends = await loadBackends(config);
    opened = await openWorkerStore(config, log);
    const shard = new Shard({
      ...parts,
      inFlight,
      config,
      log,
      sockets,
      backends,
      store: opened.store,
      ask: (question) => questions.ask((id) => tell({ type: 'ask', id, question })),
    });
    endsAsAsked = onThreadEnd((cause, message) => {
      tell({ type: 'ending', cause, message });
      shard.lastWords(message);
    });
    // How long to wait for what runs; null = it was handed over.
    const stopped = new Promise<number | null>((resolve) => {
      port.on('message', (message: ToShard) => {
        if (message.type === 'stop') resolve(message.drainMs);
        else if (message.type === 'reopenLog') reopen(log);
        else if (message.type === 'health') tell({ type: 'health', id: message.id, health: shard.health() });
        else if (message.type === 'threads') shard.setThreads(message.threads);
        else if (message.type === 'configure') {
          tell({ type: 'configured', id: message.id, error: configure(shard, log, message.config) });
        } else if (message.type === 'handOver') {
          void handOver(shard, message.drainMs).then((error) => {
            tell({ type: 'handedOver', id: message.id, error });
            if (error === null) resolve(null);
          });
        } else if (message.error === null) questions.answer(message.id, message.value);
        else questions.fail(message.id, toError(message.error));
      });
    });
    await shard.start();
    tell({ type: 'listening', httpPort: shard.httpPort, grpcPort: shard.grpcPort });
    const drainMs = await stopped;
    if (drainMs !== null) await shard.stop(drainMs);
    return null;
  } catch (error) {
    return endOf(error);
  } finally {
    endsAsAsked();
    await opened?.close();
    clearInterval(beating);
    port.close();
    await closeLog(log);
  }
}

/** Several beats in the time that counts as hung, so that a late one does not. */
function startBeating(beat: Beat, { supervision }: WorkerConfig): NodeJS.Timeout {
  return setInterval(() => beat.beat(), Math.min(BEAT_MS, supervision.missedBeatMs / 5));
}

/** An error that crosses threads by itself would lose its class. */
function endOf(error: unknown): ShardEnd {
  if (!(error instanceof IluvatarError)) throw error;
  return describeError(error);
}

async function handOver(shard: Shard, drainMs: number): Promise<ShardEnd> {
  try {
    await shard.handOver(drainMs);
    return null;
  } catch (error) {
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
