import type { MessagePort } from 'node:worker_threads';
import type { WorkerHealth } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import type { ErrorClass, ErrorDetails } from '../core/errors.js';

/** How the task ended: null = it was told to stop. An error that crosses threads by itself would lose its class. */
export type ShardEnd = { errorClass: ErrorClass; message: string; details: ErrorDetails } | null;

/** What supervisor and shard say to each other over their MessagePort. Nothing of an invocation ever goes this way. */

export interface ShardTask {
  config: WorkerConfig;
  port: MessagePort;
}

export type FromShard = { type: 'listening'; httpPort: number | null } | { type: 'beat' };

export type ToShard =
  | { type: 'stop'; drainMs: number }
  | { type: 'reopenLog' }
  | { type: 'threads'; threads: WorkerHealth['threads'] };
