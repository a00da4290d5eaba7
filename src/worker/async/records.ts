import type { AsyncFailure, InvokeResult } from '../../config/api.js';
import type { TraceHeaders } from '../../telemetry/tracing/trace-context.js';
import type { Progress } from './invocation-state.js';

/**
 * What is stored of asynchronous invocations, by table. Bodies of arguments and results are bytes, as they came; all else is plain JSON.
 *
 * `invocations` holds two rows of each unfinished one: the first is written once, when it is accepted, so that progress does not write the arguments again.
 */

/** `invocations`, key `a/<id>`. */
export interface AcceptedRecord {
  readonly id: string;
  /** Rises with each acceptance, over restarts. */
  readonly seq: number;
  readonly name: string;
  readonly version: string;
  /** 0 = the function's own. */
  readonly timeoutMs: number;
  /** '' = its id. */
  readonly tid: string;
  /** ms since 1970, as all times here. */
  readonly acceptedAt: number;
  readonly webhook: string | null;
  /** Key of its row in `idempotency`. */
  readonly idempotency: string | null;
  /** The dead letter that it runs again. */
  readonly replayOf: string | null;
  /** The trace that its runs and its webhook are part of; null = none. Absent in what an earlier version stored. */
  readonly trace?: TraceHeaders | null;
  readonly args: Uint8Array;
}

/** `invocations`, key `p/<id>`; absent until the first attempt. */
export interface ProgressRecord extends Progress {
  readonly error: AsyncFailure | null;
}

/** `results`, key the id. */
export interface ResultRecord {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly status: 'done' | 'failed' | 'dead';
  readonly attempts: number;
  readonly acceptedAt: number;
  readonly finishedAt: number;
  readonly expiresAt: number;
  readonly error: AsyncFailure | null;
  /** All of the result but the value. */
  readonly about: Omit<InvokeResult, 'result'> | null;
  /** The value: JSON; empty = null. */
  readonly body: Uint8Array;
}

/** `deadLetters`, key `<seq of the death, 16 digits>/<id>`: in the order of their death. */
export interface DeadLetterRecord {
  readonly accepted: AcceptedRecord;
  readonly attempts: number;
  readonly diedAt: number;
  readonly error: AsyncFailure;
}

/** `idempotency`, key: a hash of scope, function and key. */
export interface IdempotencyRecord {
  readonly id: string;
  /** SHA-256 of the arguments, hex. */
  readonly payload: string;
  readonly expiresAt: number;
}

/** `webhooks`, key the id. */
export interface WebhookRecord {
  readonly id: string;
  readonly url: string;
  readonly failures: number;
  readonly dueAt: number;
  /** Of its invocation. Absent in what an earlier version stored. */
  readonly tid?: string;
  /** As in `AcceptedRecord`. */
  readonly trace?: TraceHeaders | null;
}

/** `schedules`, key its id. */
export interface ScheduleRecord {
  readonly id: string;
  readonly name: string;
  readonly version: string;
  readonly cron: string | null;
  readonly timezone: string;
  readonly at: number | null;
  readonly missed: 'run' | 'skip';
  readonly timeoutMs: number;
  readonly webhook: string | null;
  readonly args: Uint8Array;
  readonly createdAt: number;
  /** The time that was due, not when it was run. */
  readonly lastAt: number | null;
  readonly lastId: string | null;
}

export const acceptedKey = (id: string): string => `a/${id}`;
export const progressKey = (id: string): string => `p/${id}`;
/** All of one kind: `from` and `to` of a range. */
export const ACCEPTED_RANGE = { from: 'a/', to: 'a0' } as const;
