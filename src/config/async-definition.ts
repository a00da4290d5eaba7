import * as z from 'zod';
import { errorClassSchema } from './sections/async.js';

/** How a function's asynchronous invocations are treated: the part `async` of its definition. null = the worker's setting. */

const ms = z.number().int().min(0).nullable().default(null);

export const asyncDefinitionSchema = z
  .strictObject({
    attempts: z
      .number()
      .int()
      .min(1)
      .max(100)
      .nullable()
      .default(null)
      .describe('Attempts, the first included; null = the worker setting'),
    backOffMs: ms.describe(
      'Pause after the first failure; doubled with each further one; ms; null = the worker setting',
    ),
    maxBackOffMs: ms.describe('Longest such pause; ms; null = the worker setting'),
    retry: z
      .array(errorClassSchema)
      .nullable()
      .default(null)
      .describe('Failures that are tried again; null = the worker setting'),
    concurrency: z
      .number()
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('Asynchronous invocations in the queue or running at once; null = the worker setting'),
    ordered: z
      .boolean()
      .default(false)
      .describe('One after the other, in the order of acceptance: each has ended before the next begins'),
    webhook: z
      .string()
      .max(2048)
      .nullable()
      .default(null)
      .describe('URL that is told of each end, unless the invocation names one of its own'),
  })
  .prefault({});

export type AsyncDefinition = z.output<typeof asyncDefinitionSchema>;
