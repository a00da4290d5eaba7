import type { MessagePort } from 'node:worker_threads';
import type { WorkerHealth } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { type ErrorClass, type ErrorDetails, IluvatarError } from '../core/errors.js';
import type { ProfileRequest } from '../telemetry/profile/cpu-profile.js';
import type { InheritedSockets } from './daemon/inherited-sockets.js';
import type { EndCause } from './supervision/watched.js';

/** How the task ended: null = it was told to stop. An error that crosses threads by itself would lose its class. */
export type ShardEnd = { errorClass: ErrorClass; message: string; details: ErrorDetails } | null;

/** What supervisor and shard say to each other over their MessagePort. Nothing of an invocation ever goes this way. */

export interface ShardTask {
  config: WorkerConfig;
  /** Descriptors are the process's: any of its threads may copy them. */
  sockets: InheritedSockets;
  port: MessagePort;
  /** Where the shard beats; see `supervision/beats.ts`. */
  beats: SharedArrayBuffer;
  /** Where it says which connections wait for an answer; see `supervision/answer-for-shard.ts`. */
  inFlight: SharedArrayBuffer;
}

/** What a shard cannot answer itself. */
export type ProcessQuestion =
  | { of: 'reload' }
  | { of: 'upgrade'; drainMs: number | null }
  | { of: 'upgradeState' }
  /** Of the main thread. */
  | { of: 'profile'; request: ProfileRequest };

/** `error` null = it went well. */
export type Answer = { id: number; error: ShardEnd };

export type FromShard =
  | { type: 'listening'; httpPort: number | null; grpcPort: number | null }
  /** Said with its last breath: why it ends by itself. */
  | { type: 'ending'; cause: EndCause; message: string }
  | { type: 'health'; id: number; health: WorkerHealth }
  | ({ type: 'configured' } & Answer)
  /** Null: everything that others wait for was answered, and what is left is with the keeper. The task ends. */
  | ({ type: 'handedOver' } & Answer)
  /** Somebody asks, through one of the edges, for what only the process can do. */
  | { type: 'ask'; id: number; question: ProcessQuestion };

export type ToShard =
  | { type: 'stop'; drainMs: number }
  | { type: 'reopenLog' }
  | { type: 'health'; id: number }
  | { type: 'threads'; threads: WorkerHealth['threads'] }
  | { type: 'configure'; id: number; config: WorkerConfig }
  /** Make ready for another process, or the next shard, to go on; what runs may take so long to end. */
  | { type: 'handOver'; id: number; drainMs: number }
  | ({ type: 'told'; value: unknown } & Answer);

/** An error as it crosses threads; what is no IluvatarError is a defect, and told as `internal`. */
export function describeError(error: unknown): NonNullable<ShardEnd> {
  if (!(error instanceof IluvatarError)) return { errorClass: 'internal', message: String(error), details: {} };
  const { errorClass, message, details } = error;
  return { errorClass, message, details };
}

export function toError({ errorClass, message, details }: NonNullable<ShardEnd>): IluvatarError {
  return new IluvatarError(errorClass, message, details);
}
