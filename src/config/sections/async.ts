import * as z from 'zod';
import { ERROR_CLASSES, type ErrorClass } from '../../core/errors.js';

/** `async`: asynchronous invocations: attempts, how long results are kept, webhooks, schedules. docs/async.md says what each is for. */

const ms = z.number().int().min(0);
const failureClasses = ERROR_CLASSES.filter((name) => name !== 'ok') as [ErrorClass, ...ErrorClass[]];

export const errorClassSchema = z.enum(failureClasses);

/** Failures that another attempt may not meet. */
const RETRIED: ErrorClass[] = ['crashed', 'out_of_memory', 'timeout', 'unavailable', 'overloaded', 'start_failed'];

export const asyncSection = z
  .strictObject({
    attempts: z.number().int().min(1).max(100).default(3).describe('Attempts, the first included'),
    backOffMs: ms.default(1000).describe('Pause after the first failure; doubled with each further one; ms'),
    maxBackOffMs: ms.default(300_000).describe('Longest such pause; ms'),
    jitter: z.number().min(0).max(1).default(0.5).describe('Part of a pause that is left to chance'),
    retry: z
      .array(errorClassSchema)
      .default(RETRIED)
      .describe('Failures that are tried again; others are final at once'),
    interruptions: z
      .number()
      .int()
      .min(1)
      .max(1000)
      .default(10)
      .describe('Ends of the worker during one invocation, after which it is a dead letter'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .default(64)
      .describe(
        'Of each function, asynchronous invocations in the queue or running at once; the others wait in the store',
      ),
    maxUnfinished: z.number().int().min(1).default(100_000).describe('Accepted and not finished; above it: overloaded'),
    results: z
      .strictObject({
        keepMs: ms.default(3_600_000).describe('How long a result is kept; ms'),
        maxBytes: z
          .number()
          .int()
          .min(0)
          .default(256 * 1024 * 1024)
          .describe('Size of all kept results together; above it the oldest go before their time; bytes'),
      })
      .prefault({}),
    idempotency: z
      .strictObject({
        keepMs: ms
          .default(3_600_000)
          .describe('How long an idempotency key is remembered; a key outlives the invocation in any case; ms'),
      })
      .prefault({}),
    deadLetters: z
      .strictObject({
        keepMs: ms.default(604_800_000).describe('How long a dead letter is kept; ms'),
        max: z.number().int().min(1).default(10_000).describe('Most of them; above it the oldest go'),
      })
      .prefault({}),
    webhooks: z
      .strictObject({
        secret: z
          .string()
          .default('')
          .describe('Signs webhooks (HMAC-SHA256): text, or whsec_ and base64; empty = they are not signed'),
        hosts: z.array(z.string()).default([]).describe('Hosts (name or name:port) they may go to; empty = all'),
        attempts: z.number().int().min(1).max(100).default(8).describe('Attempts to deliver one'),
        backOffMs: ms.default(1000).describe('Pause after the first failure; doubled with each further one; ms'),
        maxBackOffMs: ms.default(600_000).describe('Longest such pause; ms'),
        timeoutMs: ms.min(1).default(10_000).describe('How long a receiver may take to answer; ms'),
        concurrency: z.number().int().min(1).max(1000).default(16).describe('Deliveries at once'),
      })
      .prefault({}),
    schedules: z
      .strictObject({
        missed: z
          .enum(['run', 'skip'])
          .default('run')
          .describe('What fell due while no worker ran: run it once, or leave it out'),
        max: z.number().int().min(1).default(10_000).describe('Most schedules'),
      })
      .prefault({}),
  })
  .prefault({});

export type AsyncConfig = z.output<typeof asyncSection>;
