import type { MessagePort } from 'node:worker_threads';
import type { WorkerHealth } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import type { ErrorClass, ErrorDetails } from '../core/errors.js';
import type { EndCause } from './supervision/watched.js';

/** How the task ended: null = it was told to stop. An error that crosses threads by itself would lose its class. */
export type ShardEnd = { errorClass: ErrorClass; message: string; details: ErrorDetails } | null;

/** What supervisor and shard say to each other over their MessagePort. Nothing of an invocation ever goes this way. */

export interface ShardTask {
  config: WorkerConfig;
  port: MessagePort;
  /** Where the shard beats; see `supervision/beats.ts`. */
  beats: SharedArrayBuffer;
  /** Where it says which connections wait for an answer; see `supervision/answer-for-shard.ts`. */
  inFlight: SharedArrayBuffer;
}

export type FromShard =
  | { type: 'listening'; httpPort: number | null }
  /** Said with its last breath: why it ends by itself. */
  | { type: 'ending'; cause: EndCause; message: string }
  | { type: 'health'; id: number; health: WorkerHealth };

export type ToShard =
  | { type: 'stop'; drainMs: number }
  | { type: 'reopenLog' }
  | { type: 'health'; id: number }
  | { type: 'threads'; threads: WorkerHealth['threads'] };
