import * as z from 'zod';
import type { InvokeResult } from '../../config/api.js';

/** A result with its metadata, as `schemas.ts` and `async-schemas.ts` show it. */

const us = z.number().int().min(0).describe('µs');

export const invokeResult = z.object({
  result: z.unknown().describe('What the function returned'),
  tid: z.string().describe('Transaction id'),
  containerState: z.enum(['cold', 'prewarm', 'warm']),
  phases: z.object({ queueUs: us, startUs: us, runUs: us, throttledUs: us }),
  attempts: z.number().int().min(1),
  stdout: z.string().describe('Captured output, bounded'),
  stderr: z.string(),
}) satisfies z.ZodType<InvokeResult>;
