import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ERROR_CLASSES, type ErrorClass, IluvatarError } from '../../core/errors.js';

/**
 * What a function of the simulated backend does: `simulated.json` in its source folder, or a file of that form. Times are µs. What it leaves out comes from
 * the times that the function is registered with (`timings`), else takes no time at all.
 */

const us = z.number().min(0);

const duration = z.union([
  us.describe('Always so long; µs'),
  z.strictObject({
    meanUs: us.describe('Mean; µs'),
    sigma: z.number().min(0).max(5).default(0.25).describe('Of the logarithm: 0.25 varies by about a quarter'),
  }),
  z.strictObject({ samplesUs: z.array(us).min(1).describe('One of these, each as likely; µs') }),
]);

const durations = z
  .union([duration, z.strictObject({ cpu: duration, gpu: duration })])
  .describe('One for all devices, or one for each kind');

const end = z.union([
  z.strictObject({ code: z.number().int().min(0).max(255).describe('Exit code') }),
  z.strictObject({
    signal: z
      .string()
      .regex(/^SIG[A-Z0-9]+$/)
      .describe('Signal that kills it'),
  }),
  z.strictObject({ outOfMemory: z.literal(true).describe('Killed for its memory') }),
]);

const errorClass = z.enum(ERROR_CLASSES.filter((name) => name !== 'ok') as [ErrorClass, ...ErrorClass[]]);
const stream = z.string().default('');

const outcome = z.strictObject({
  run: durations.nullable().default(null).describe('Inside the function; null = as any run'),
  result: z.unknown().optional().describe('Template of what it returns; absent = that of the function'),
  errorClass: errorClass.nullable().default(null).describe('It fails with this class'),
  message: z.string().nullable().default(null),
  traceback: z.string().nullable().default(null).describe('Given with its failure, and when its time has passed'),
  stdout: stream.describe('Printed, and captured by the runtime'),
  stderr: stream,
  written: z
    .strictObject({ stdout: stream, stderr: stream })
    .prefault({})
    .describe('Written past the runtime: goes to the log'),
  exit: end.nullable().default(null).describe('Its process ends, with everything else in the container'),
  obeys: z.boolean().default(true).describe('It ends when it is told that its time has passed, else only when killed'),
});

export const descriptionSchema = z
  .strictObject({
    create: durations.nullable().default(null).describe('Making a container, before its code is loaded'),
    load: durations.nullable().default(null).describe('Loading the code'),
    coldRun: durations.nullable().default(null).describe('The first run in a container; null = as `run`'),
    run: durations.nullable().default(null).describe('Inside the function'),
    destroy: duration.default(0).describe('Until the memory of a container is free'),
    memoryMb: z.number().min(0).nullable().default(null).describe('As measured; MiB, null = what it reserves'),
    creationFailures: z.number().min(0).max(1).default(0).describe('Chance that a creation fails for a moment'),
    loading: z
      .strictObject({ message: z.string(), traceback: z.string().nullable().default(null) })
      .nullable()
      .default(null)
      .describe('The code cannot be loaded'),
    result: z.unknown().optional().describe('Template of what it returns; absent = {cold, start, end, latency}'),
    outcomeField: z.string().min(1).default('do').describe('Field of the arguments that names the outcome'),
    outcomes: z.record(z.string(), outcome).default({}).describe('By name; another name, or none, is a plain success'),
  })
  .describe('A simulated function');

export type Description = z.output<typeof descriptionSchema>;
export type DescribedOutcome = z.output<typeof outcome>;
export type Duration = z.output<typeof duration>;
export type Durations = z.output<typeof durations>;

export const DESCRIPTION_FILE = 'simulated.json';

/** Null = there is none in this folder. Rejects with `invalid` for a source that is not there and a description that is wrong. */
export async function readDescription(source: string): Promise<Description | null> {
  const found = await stat(source).catch((error: Error) => {
    throw new IluvatarError('invalid', `the source cannot be read: ${error.message}`);
  });
  const file = found.isDirectory() ? join(source, DESCRIPTION_FILE) : source;
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new IluvatarError('invalid', `${file} cannot be read: ${(error as Error).message}`);
  }
  return parseDescription(text, file);
}

function parseDescription(text: string, file: string): Description {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new IluvatarError('invalid', `${file} is not JSON: ${(error as Error).message}`);
  }
  const checked = descriptionSchema.safeParse(value);
  if (checked.success) return checked.data;
  throw new IluvatarError('invalid', `${file}: ${z.prettifyError(checked.error)}`);
}
