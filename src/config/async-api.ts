import * as z from 'zod';
import type { InvokeOptions, InvokeResult } from './api.js';
import { nameText } from './function-definition.js';

/** What a user says to a worker and hears from it about asynchronous invocations, dead letters and schedules, on every edge. */

/** `queued`: waits for its first attempt. `retrying`: waits for another. The last three are final. */
export const ASYNC_STATUSES = ['queued', 'running', 'retrying', 'done', 'failed', 'dead'] as const;
export type AsyncStatus = (typeof ASYNC_STATUSES)[number];

export interface AsyncFailure {
  errorClass: string;
  message: string;
  details: unknown;
}

export interface AsyncInvocation {
  id: string;
  /**
   * `done`: `result` is there. `failed`: `error` is, and it was final at once. `dead`: as `failed`, after all its attempts; its arguments are among the dead letters.
   * Not before it is `done`, `failed` or `dead` on the disk is it said to be.
   */
  status: AsyncStatus;
  name: string;
  version: string;
  /** Runs that ended, or were begun when the worker ended. */
  attempts: number;
  /** Times are ms since 1970. */
  acceptedAt: number;
  finishedAt: number | null;
  result: InvokeResult | null;
  error: AsyncFailure | null;
}

export interface AsyncInvokeOptions extends Omit<InvokeOptions, 'signal'> {
  /** The same key and arguments again are the same invocation; the same key with other arguments is a `conflict`. Of this function alone. */
  idempotencyKey?: string;
  /** http(s) URL that gets the result document. */
  webhook?: string;
}

export interface DeadLetter {
  id: string;
  name: string;
  version: string;
  attempts: number;
  acceptedAt: number;
  diedAt: number;
  error: AsyncFailure;
  /** Of the arguments; bytes. */
  size: number;
}

/** Which dead letters: one by its id, or those of a function, or all. */
export interface DeadLetterSelection {
  id?: string;
  name?: string;
  version?: string;
  all?: boolean;
}

export interface ScheduleInput {
  /** Chosen by the user; replaces none of the same name. */
  id: string;
  name: string;
  version?: string;
  /** Five or six fields, or @hourly and the like. This or `at`. */
  cron?: string;
  /** IANA name; UTC unless given. */
  timezone?: string;
  /** ISO 8601, or ms since 1970: once. */
  at?: string | number;
  /** For what fell due while no worker ran; the worker's setting unless given. */
  missed?: 'run' | 'skip';
  timeoutMs?: number;
  webhook?: string;
}

export interface Schedule {
  id: string;
  name: string;
  version: string;
  cron: string | null;
  timezone: string;
  at: number | null;
  missed: 'run' | 'skip';
  /** ms since 1970; null = never again. */
  nextAt: number | null;
  lastAt: number | null;
  /** The invocation of the last firing. */
  lastId: string | null;
}

/** What a worker has of all this. Counters are since its start. */
export interface AsyncCounters {
  accepted: number;
  done: number;
  failed: number;
  dead: number;
  retries: number;
  /** Now: not begun, and between two attempts. */
  waiting: number;
  running: number;
  /** How long the oldest unfinished one has been accepted; ms, 0 = there is none. */
  oldestAgeMs: number;
  results: number;
  resultBytes: number;
  deadLetters: number;
  schedules: number;
  webhooksWaiting: number;
  webhooksDelivered: number;
  webhooksFailed: number;
}

const id = z.string().min(1).max(128);
const tid = z.string().optional();
/** W3C Trace Context; what is malformed is taken for none. */
const traceText = z.string().max(8192).optional();
const webhook = z.string().max(2048).optional();
const timeoutMs = z.number().int().min(1).optional();
export const idempotencyKeyText = z
  .string()
  .regex(/^[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?$/, 'an idempotency key has 1 to 255 printable ASCII characters');

const selection = {
  id: id.optional(),
  name: nameText.optional().describe('Of this function'),
  version: nameText.optional(),
  all: z.boolean().default(false).describe('Of all functions'),
};
const selected = z
  .strictObject(selection)
  .refine(
    (given) => [given.id, given.name, given.all || undefined].filter((one) => one !== undefined).length === 1,
    'one of id, name and all must be given',
  )
  .refine((given) => given.version === undefined || given.name !== undefined, 'version goes with name');

export const asyncMethodSchemas = {
  /** → { id } once it is durable; the body is the arguments. */
  invokeAsync: z.strictObject({
    name: nameText,
    version: nameText.default('1'),
    timeoutMs,
    tid,
    idempotencyKey: idempotencyKeyText.optional(),
    webhook,
    traceparent: traceText,
    tracestate: traceText,
  }),
  /** → AsyncInvocation; waits up to waitMs for the end. */
  result: z.strictObject({ id: z.string(), waitMs: z.number().int().min(0).max(600_000).default(0) }),
  /** → { cancelled: true }; `conflict` once it has begun or ended. */
  cancelInvocation: z.strictObject({ id }),
  /** → DeadLetter[], the oldest first */
  deadLetters: z.strictObject({
    name: nameText.optional(),
    version: nameText.optional(),
    limit: z.number().int().min(1).max(10_000).default(1000),
  }),
  /** → DeadLetter and its arguments: { …, arguments: unknown } */
  deadLetter: z.strictObject({ id }),
  /** → { ids: string[] } of the new invocations, the oldest first */
  replayDeadLetters: selected,
  /** → { removed: number } */
  purgeDeadLetters: selected,
  /** → Schedule; the body is the arguments of each firing. */
  addSchedule: z
    .strictObject({
      id: nameText.describe('Name of the schedule'),
      name: nameText.describe('Function'),
      version: nameText.default('1'),
      cron: z.string().min(1).max(256).optional().describe('Five or six fields, or @hourly and the like'),
      timezone: z.string().max(64).default('UTC').describe('IANA name'),
      at: z
        .union([z.number().int().min(0), z.iso.datetime({ offset: true })])
        .optional()
        .describe('Once'),
      missed: z.enum(['run', 'skip']).optional(),
      timeoutMs,
      webhook,
    })
    .refine((given) => (given.cron === undefined) !== (given.at === undefined), 'one of cron and at must be given'),
  /** → Schedule[] */
  schedules: z.strictObject({}),
  /** → { removed: true } */
  removeSchedule: z.strictObject({ id: nameText }),
} as const;
