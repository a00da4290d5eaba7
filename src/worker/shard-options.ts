import type { EnabledBackends } from '../backends/backends.js';
import type { WorkerConfig } from '../config/schema.js';
import type { Store } from '../store/store.js';
import type { Log } from '../telemetry/logs/log.js';
import type { InheritedSockets } from './daemon/inherited-sockets.js';
import type { ProcessQuestion } from './shard-messages.js';
import type { ThreadFile } from './thread-file.js';

/** What a shard is given by whoever runs it. */
export interface ShardOptions {
  config: WorkerConfig;
  log: Log;
  sockets: InheritedSockets;
  backends: EnabledBackends;
  /** What only the process can do. `configure` is called while it reads its configuration again. */
  ask(question: ProcessQuestion): Promise<unknown>;
  /** Where registrations and accepted asynchronous invocations are kept; one that forgets unless given. The caller's to close, after `stop`. */
  store?: Store;
  /** Shared with the supervisor, which answers HTTP requests when this thread cannot. */
  inFlight?: SharedArrayBuffer;
  /** What life-cycle threads run; their own tasks unless a test puts faulty ones in their place. */
  lifecycleFile?: ThreadFile;
}
