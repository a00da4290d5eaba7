import * as z from 'zod';
import {
  ASYNC_STATUSES,
  type AsyncCounters,
  type AsyncInvocation,
  asyncMethodSchemas,
  type DeadLetter,
  type Schedule,
} from '../../config/async-api.js';
import { invokeResult } from './invoke-schemas.js';

/** What goes over HTTP about asynchronous invocations; see `schemas.ts`. */

const count = z.number().int().min(0);
const time = z.number().int().min(0).describe('ms since 1970');
const failure = z.object({ errorClass: z.string(), message: z.string(), details: z.unknown() });

const asyncInvocation = z.object({
  id: z.string(),
  status: z.enum(ASYNC_STATUSES).describe('done, failed and dead are final, and on the disk before they are told'),
  name: z.string(),
  version: z.string(),
  attempts: count,
  acceptedAt: time,
  finishedAt: time.nullable(),
  result: invokeResult.nullable(),
  error: failure.nullable().describe('Of the last attempt that failed'),
}) satisfies z.ZodType<AsyncInvocation>;

const deadLetter = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  attempts: count,
  acceptedAt: time,
  diedAt: time,
  error: failure,
  size: count.describe('Of the arguments; bytes'),
}) satisfies z.ZodType<DeadLetter>;

const schedule = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  cron: z.string().nullable(),
  timezone: z.string(),
  at: time.nullable(),
  missed: z.enum(['run', 'skip']),
  nextAt: time.nullable(),
  lastAt: time.nullable(),
  lastId: z.string().nullable().describe('The invocation of the last firing'),
}) satisfies z.ZodType<Schedule>;

export const asyncCounters = z
  .object({
    accepted: count,
    done: count,
    failed: count,
    dead: count,
    retries: count,
    waiting: count,
    running: count,
    oldestAgeMs: count,
    results: count,
    resultBytes: count,
    deadLetters: count,
    schedules: count,
    webhooksWaiting: count,
    webhooksDelivered: count,
    webhooksFailed: count,
  })
  .describe('Asynchronous invocations; what ended is counted since the start') satisfies z.ZodType<AsyncCounters>;

export const asyncHttpSchemas = {
  AsyncInvocation: asyncInvocation,
  Accepted: z.object({ id: z.string(), location: z.string() }),
  Cancelled: z.object({ cancelled: z.literal(true) }),
  DeadLetterList: z.array(deadLetter),
  DeadLetter: deadLetter.extend({ arguments: z.unknown().describe('JSON where they are that, else text') }),
  DeadLetterSelection: asyncMethodSchemas.replayDeadLetters,
  Replayed: z.object({ ids: z.array(z.string()).describe('Of the new invocations, the oldest letter first') }),
  Purged: z.object({ removed: count }),
  ScheduleRequest: z.object({
    ...asyncMethodSchemas.addSchedule.shape,
    id: z.never().optional(),
    arguments: z.unknown().describe('Of each firing'),
  }),
  Schedule: schedule,
  ScheduleList: z.array(schedule),
} as const;

/** Described as they are sent: defaults may be left out. */
export const ASYNC_REQUESTS = ['DeadLetterSelection', 'ScheduleRequest'] as const;
