import * as z from 'zod';
import type { InvocationEnergy, InvokeResult } from '../../config/api.js';

/** A result with its metadata, as `schemas.ts` and `async-schemas.ts` show it. */

const us = z.number().int().min(0).describe('µs');

export const invocationEnergy = z
  .object({
    joules: z.number().min(0).nullable().describe('Above what the idle machine takes; null = nothing is known yet'),
    cpuMs: z.number().min(0).nullable().describe('CPU time on all cores; null = not measured'),
    gpuMs: z.number().min(0).describe('Time on a GPU'),
    source: z.string().describe('What was read'),
    settled: z.boolean().describe('False = the part of the interval in which it ended is estimated at the latest rate'),
  })
  .describe(
    'What it took of the machine; absent = energy is not read, or it cannot be told',
  ) satisfies z.ZodType<InvocationEnergy>;

export const invokeResult = z.object({
  result: z.unknown().describe('What the function returned'),
  tid: z.string().describe('Transaction id'),
  containerState: z.enum(['cold', 'prewarm', 'warm']),
  device: z.enum(['cpu', 'gpu']).optional().describe('That it ran on'),
  phases: z.object({ queueUs: us, startUs: us, runUs: us, throttledUs: us }),
  attempts: z.number().int().min(1),
  stdout: z.string().describe('Captured output, bounded'),
  stderr: z.string(),
  energy: invocationEnergy.optional(),
}) satisfies z.ZodType<InvokeResult>;
