import * as z from 'zod';
import {
  type Characteristics,
  functionDefinitionSchema,
  methodSchemas,
  type PrewarmResult,
  type RegisteredFunction,
  type WatchedHealth,
  type WorkerHealth,
  type WorkerStatus,
} from '../../config/api.js';
import { ERROR_CLASSES, type ErrorClass } from '../../core/errors.js';
import { asyncCounters, asyncHttpSchemas } from './async-schemas.js';
import { invokeResult } from './invoke-schemas.js';
import { jetsonStatus } from './jetson-schemas.js';
import type { Problem } from './problems.js';

/**
 * What goes over HTTP, as zod schemas, for /openapi.json. Requests are the API's own schemas; answers are described here, and held to the API's types by `satisfies`, so that one
 * cannot change without the other.
 */

const count = z.number().int().min(0);
const details = z.record(z.string(), z.unknown());

const ms = z.number().describe('ms, a moving average; 0 = never seen');

const characteristics = z.object({
  interArrivalMs: ms,
  memoryMb: z.number().describe('Measured, a moving average'),
  pageCacheMb: z.number().describe('Page cache that its containers caused, not in memoryMb; a moving average'),
  devices: z.array(
    z.object({
      device: z.enum(['cpu', 'gpu']),
      invocations: count,
      warmMs: ms,
      prewarmMs: ms,
      coldMs: ms,
      runMs: ms,
      endToEndMs: ms,
      estimateErrorMs: z.number().describe('End to end less its estimate on arrival; ms, a moving average'),
    }),
  ),
}) satisfies z.ZodType<Characteristics>;

const registeredFunction = z.object({
  name: z.string(),
  version: z.string(),
  digest: z.string().describe('Of the source and its definition'),
  image: z.string().nullable().describe('As it was registered; null = it is source'),
  handle: count.describe("Number to use instead of name and version on this worker's framed protocol"),
  runtime: z.string(),
  memoryMb: z.number(),
  cpus: z.number(),
  timeoutMs: z.number(),
  backends: z.array(z.string()),
  queued: count,
  running: count,
  containers: count,
  characteristics,
}) satisfies z.ZodType<RegisteredFunction>;

const deviceQueue = z.object({
  length: count,
  expectedUs: z.number().describe('Expected work of all of it; µs of one slot or token'),
  throughput: z.number().describe('Seconds of execution a second'),
  activeFunctions: count,
  policy: z.unknown().describe('What the queue policy says of itself'),
});

const workerStatus = z.object({
  name: z.string(),
  version: z.string(),
  uptimeS: z.number(),
  addresses: z.object({ http: z.string().nullable(), grpc: z.string().nullable() }).describe('Where it listens'),
  state: z.enum(['running', 'draining', 'stopping']),
  memory: z.object({
    runningMb: z.number(),
    cachedMb: z.number(),
    totalMb: z.number(),
    budgetMb: z.number(),
    overshootMb: z.number().describe('Used above reservations by containers that will be replaced'),
    runningContainers: count,
    cachedContainers: count,
  }),
  cpu: z.object({ slots: z.number(), used: z.number() }),
  starting: count.describe('Invocations that wait for a container being made'),
  running: count.describe('Invocations that containers have'),
  host: z.object({
    cpuPercent: z.number().describe('Of all cores, not idle'),
    loadPerCore: z.number().describe('1-minute average'),
  }),
  queue: z.object({ length: count, limit: count }),
  queues: z.object({ cpu: deviceQueue, gpu: deviceQueue }),
  gpus: z.array(
    z.object({
      index: count,
      present: z.boolean(),
      containers: count,
      running: count,
      reservedMb: z.number(),
      utilization: z.number().describe('Percent'),
      held: z.boolean().describe('Nothing starts on it because of its utilisation'),
    }),
  ),
  jetson: jetsonStatus.nullable().describe('The board, where this is a Jetson'),
  functions: count,
  async: asyncCounters,
  backends: z.record(z.string(), z.record(z.string(), z.number())).describe('Counters of each backend'),
  counters: z.record(z.string(), z.number()),
  shards: z.array(z.object({ id: count, state: z.string(), restarts: count })),
}) satisfies z.ZodType<WorkerStatus>;

const watched = z.object({
  name: z.string(),
  kind: z.enum(['thread', 'task']),
  critical: z.boolean(),
  state: z.enum(['idle', 'starting', 'running', 'restarting', 'stopping', 'stopped']),
  failing: z.boolean().describe('More often than `supervision.restart` allows'),
  restarts: count,
  causes: z.record(z.string(), count).describe('Ends by cause'),
  lastError: z.string().nullable(),
}) satisfies z.ZodType<WatchedHealth>;

const workerHealth = z.object({
  healthy: z.boolean(),
  notes: z.array(z.string()),
  backends: z.array(z.object({ name: z.string(), healthy: z.boolean(), notes: z.array(z.string()) })),
  threads: z.array(watched),
  tasks: z.array(watched),
}) satisfies z.ZodType<WorkerHealth>;

const errorClasses = ERROR_CLASSES.filter((name) => name !== 'ok') as ErrorClass[];

const problem = z.object({
  type: z.string().describe('`urn:iluvatar:error:` and the class'),
  title: z.string(),
  status: z.number().int(),
  detail: z.string(),
  errorClass: z.enum(errorClasses),
  tid: z.string().optional(),
  mayHaveRun: z.boolean().optional().describe('With `unavailable`: the function had been given its arguments'),
  traceback: z.string().optional(),
  stdout: z.string().optional(),
  stderr: z.string().optional(),
  evidence: details.optional().describe('What the platform saw: limits, peaks, signals'),
  retryAfterMs: z.number().optional(),
  attempts: z.number().optional(),
  throttledUs: z.number().optional().describe('How long a CPU quota held it back; µs'),
}) satisfies z.ZodType<Problem>;

const progressLine = z
  .union([z.object({ progress: z.string() }), z.object({ result: registeredFunction }), z.object({ error: problem })])
  .describe('One line of the stream; the last is the result or the error');

/** Named in the document; the rest is written where it is used. */
export const httpSchemas = {
  FunctionDefinition: functionDefinitionSchema,
  RegisteredFunction: registeredFunction,
  FunctionList: z.array(registeredFunction),
  RegisterProgress: progressLine,
  InvokeResult: invokeResult,
  ...asyncHttpSchemas,
  WorkerStatus: workerStatus,
  WorkerHealth: workerHealth,
  Problem: problem,
  Removed: z.object({ removed: z.literal(true) }),
  PrewarmRequest: methodSchemas.prewarm.pick({ count: true, device: true }),
  Prewarmed: z.object({
    containers: count,
    attempts: count.describe('More than containers when some had to be tried again'),
  }) satisfies z.ZodType<PrewarmResult>,
  EstimateRequest: methodSchemas.estimate,
  Estimates: z.object({ estimates: z.array(z.number()).describe('Seconds, in order; 0 = never seen') }),
  Cleaned: z.object({ removed: count.describe('Idle containers removed') }),
  DrainRequest: methodSchemas.drain,
  Drained: z.object({ drained: z.boolean() }),
  Live: z.object({ live: z.literal(true) }),
  Index: z.object({ name: z.string(), openapi: z.string(), routes: z.array(z.string()) }),
} as const;

export type SchemaName = keyof typeof httpSchemas;
