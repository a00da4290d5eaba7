import * as z from 'zod';
import type { InvocationEnergy } from '../core/errors.js';
import { type AsyncCounters, asyncMethodSchemas } from './async-api.js';
import { functionDefinitionSchema, nameText } from './function-definition.js';
import type { JetsonStatus } from './jetson-api.js';

/**
 * What a user says to a worker and hears from it, on every edge (library, unix socket, HTTP, CLI). The zod schemas are the
 * single source: types, validation, and /openapi.json derive from them.
 */

export type {
  AsyncCounters,
  AsyncFailure,
  AsyncInvocation,
  AsyncInvokeOptions,
  AsyncStatus,
  DeadLetter,
  DeadLetterSelection,
  Schedule,
  ScheduleInput,
} from './async-api.js';
export {
  type FunctionDefinition,
  type FunctionDefinitionInput,
  functionDefinitionSchema,
  RUNTIMES,
  SERVERS,
} from './function-definition.js';

export interface RegisterOptions {
  /** Replace a different registration of the same name and version. */
  replace?: boolean;
  /** One line per step of a slow registration. */
  progress?: (line: string) => void;
  tid?: string;
}

export interface RegisteredFunction {
  name: string;
  version: string;
  digest: string;
  /** As it was registered; null = it is source. */
  image: string | null;
  /** Number to use instead of name and version on this worker's framed protocol. */
  handle: number;
  runtime: string;
  memoryMb: number;
  cpus: number;
  timeoutMs: number;
  backends: string[];
  queued: number;
  running: number;
  containers: number;
  /** What its invocations took of the machine since it was registered here, in intervals that are over; null = energy is not read. */
  energyJoules: number | null;
  characteristics: Characteristics;
}

/** What a worker has learnt of a function: moving averages; ms and MiB, 0 = never seen. */
export interface Characteristics {
  interArrivalMs: number;
  memoryMb: number;
  /** Part of the page cache that its containers caused; it is not in `memoryMb`. */
  pageCacheMb: number;
  devices: {
    device: 'cpu' | 'gpu';
    invocations: number;
    warmMs: number;
    prewarmMs: number;
    coldMs: number;
    runMs: number;
    endToEndMs: number;
    /** End to end less its estimate on arrival. */
    estimateErrorMs: number;
  }[];
}

export interface PrewarmOptions {
  version?: string;
  count?: number;
  /** The first of the function when absent. */
  device?: 'cpu' | 'gpu';
}

export interface PrewarmResult {
  /** Ready now. */
  containers: number;
  /** To make them: more than `containers` when some had to be tried again. */
  attempts: number;
}

export interface InvokeOptions {
  version?: string;
  /** Overrides the function's; ms. */
  timeoutMs?: number;
  tid?: string;
  /** W3C Trace Context of the caller: the invocation joins its trace, where the worker makes traces. */
  traceparent?: string;
  tracestate?: string;
  signal?: AbortSignal;
}

/** Where the time of one invocation went; µs, each measured where it happens. */
export interface Phases {
  queueUs: number;
  startUs: number;
  runUs: number;
  /**
   * Part of `runUs` in which the container's CPU quota was used up, summed over the cores it ran on. Read only after runs that are long enough to use
   * it up alone; 0 otherwise.
   */
  throttledUs: number;
}

export interface InvokeResult<T = unknown> {
  result: T;
  tid: string;
  containerState: 'cold' | 'prewarm' | 'warm';
  /** That it ran on; absent = the answer does not say, as that of the framed protocol. */
  device?: 'cpu' | 'gpu';
  phases: Phases;
  attempts: number;
  stdout: string;
  stderr: string;
  /** What it took of the machine, where the worker reads energy; absent = it does not, or cannot tell. */
  energy?: InvocationEnergy;
}

export type { InvocationEnergy } from '../core/errors.js';

export interface PoolMemory {
  runningMb: number;
  cachedMb: number;
  totalMb: number;
  budgetMb: number;
  /** Used by running containers above their reservations (memory policy `grow`), and so not to be reserved. */
  overshootMb: number;
  runningContainers: number;
  cachedContainers: number;
}

/** What waits for one kind of device. */
export interface DeviceQueueStatus {
  length: number;
  /** Expected work of all of it; µs of one slot or token. */
  expectedUs: number;
  /** Seconds of execution a second, of the latest completions. */
  throughput: number;
  activeFunctions: number;
  /** What the queue policy says of itself. */
  policy: unknown;
}

export interface GpuStatus {
  index: number;
  present: boolean;
  containers: number;
  running: number;
  reservedMb: number;
  /** Percent. */
  utilization: number;
  /** Nothing starts on it because of that (`gpu.utilizationLimit`). */
  held: boolean;
}

export interface WorkerStatus {
  name: string;
  version: string;
  uptimeS: number;
  /** Where it listens; null = it does not. */
  addresses: { http: string | null; grpc: string | null };
  state: 'running' | 'draining' | 'stopping';
  memory: PoolMemory;
  cpu: { slots: number; used: number };
  /** null = it reads none (`energy.source`). */
  energy: EnergyStatus | null;
  /** null = there is none (`energy.cap.watts`). */
  powerCap: PowerCapStatus | null;
  /** Invocations that wait for a container being made. */
  starting: number;
  /** Invocations that containers have. */
  running: number;
  /** Of the whole machine: not idle, percent; 1-minute average of its load. */
  host: { cpuPercent: number; loadPerCore: number };
  queue: { length: number; limit: number };
  queues: Record<'cpu' | 'gpu', DeviceQueueStatus>;
  gpus: GpuStatus[];
  /** Null = this is no Jetson, or it is not watched. */
  jetson: JetsonStatus | null;
  functions: number;
  async: AsyncCounters;
  /** Of each backend, by its name: its containers and creations, and what it counts itself. */
  backends: Record<string, Record<string, number>>;
  /** Of everything together. */
  counters: Record<string, number>;
  shards: { id: number; state: string; restarts: number }[];
}

/** What is read of the machine's energy, and to whom it was given. */
export interface EnergyStatus {
  /** Its name; `auto` as long as none was found. */
  source: string;
  /** Of the latest reading; null = there was none. */
  ageMs: number | null;
  /** It is so old that it says nothing any more. */
  stale: boolean;
  /** W: mean of the latest interval; of the idle machine (0 = not learned yet); what one busy core and one busy GPU add (0 = not learned yet). */
  power: { watts: number; idleWatts: number; wattsPerCore: number; wattsPerGpu: number };
  /** Since the worker started. `measured` is the sum of the others. */
  joules: { measured: number; invocations: number; idle: number; other: number };
}

/** Means of a period; W. */
export interface PowerCapStatus {
  capWatts: number;
  /** Of this period, as it is expected. */
  projectedWatts: number;
  /** The head of a queue waits for it. */
  held: boolean;
  /** Times that one did, and those of them that lasted `energy.cap.maxHoldMs`. */
  holds: number;
  forced: number;
}

export interface WorkerHealth {
  healthy: boolean;
  notes: string[];
  backends: { name: string; healthy: boolean; notes: string[] }[];
  threads: WatchedHealth[];
  tasks: WatchedHealth[];
}

/** A thread or a background task, and how often it had to be started again. */
export interface WatchedHealth {
  name: string;
  kind: 'thread' | 'task';
  /** The worker does not do what it is for without it. */
  critical: boolean;
  /** `idle`: it was not needed so far. */
  state: 'idle' | 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped';
  /** Failed more often than `supervision.restart` allows within its window. */
  failing: boolean;
  restarts: number;
  /** How often it ended, by cause: error, rejection, exit, hang, budget, lost. */
  causes: Record<string, number>;
  lastError: string | null;
}

/** How the last upgrade of a worker's process goes, or ended. */
export interface UpgradeState {
  /** Of the process that answers. */
  pid: number;
  /** `none`: this process has not been asked for one. After one that went well another process answers. */
  state: 'none' | 'under way' | 'failed';
  /** Why it failed. */
  reason: string | null;
}

/** What a reload has changed; keys of options. */
export interface ReloadReport {
  /** In force from now on. */
  changed: string[];
  /** Differ from what the worker runs with, which stays as it is until it is started again. */
  restart: string[];
}

/**
 * Parameters of each control-plane method; results are the types named beside them. `invoke` is not here: it has its own
 * path on every edge, since nothing of it may be looked up or parsed twice.
 */
export const methodSchemas = {
  /** → RegisteredFunction. A body, when present, is a tar or tar.gz archive that takes the place of `source`. */
  register: z.strictObject({
    definition: functionDefinitionSchema,
    replace: z.boolean().default(false),
    tid: z.string().optional(),
  }),
  /** → { removed: true } */
  unregister: z.strictObject({ name: nameText, version: nameText.default('1'), tid: z.string().optional() }),
  ...asyncMethodSchemas,
  /** → PrewarmResult */
  prewarm: z.strictObject({
    name: nameText,
    version: nameText.default('1'),
    count: z.number().int().min(1).max(1000).default(1),
    device: z.enum(['cpu', 'gpu']).optional().describe('The first of the function when absent'),
    tid: z.string().optional(),
  }),
  /** → RegisteredFunction[] */
  list: z.strictObject({}),
  /** → WorkerStatus */
  status: z.strictObject({}),
  /** → WorkerHealth */
  health: z.strictObject({}),
  /** → { estimates: number[] } seconds, one per function, in order; 0 = never seen. */
  estimate: z.strictObject({
    functions: z
      .array(z.strictObject({ name: nameText, version: nameText.default('1') }))
      .min(1)
      .max(10_000),
  }),
  /** → { removed: number } idle containers removed */
  clean: z.strictObject({ tid: z.string().optional() }),
  /** → { drained: boolean } */
  drain: z.strictObject({ timeoutMs: z.number().int().min(0).optional() }),
  /** → ReloadReport: the configuration is read again, as SIGHUP has it done */
  reload: z.strictObject({}),
  /** → { pid }: a new process stands by to take this worker's place (`iluvatar upgrade`); how it ends, `upgradeState` says */
  upgrade: z.strictObject({ drainMs: z.number().int().min(0).optional() }),
  /** → UpgradeState */
  upgradeState: z.strictObject({}),
  /** → WorkerProfile, of the worker's threads; not over HTTP, and only where `profiling.enabled` allows it */
  profile: z.strictObject({
    ms: z.number().int().min(10).max(60_000),
    intervalUs: z.number().int().min(50).max(1_000_000).default(1000),
    threads: z.array(z.string()).min(1).optional(),
  }),
  /** → Prometheus text as a JSON string */
  metrics: z.strictObject({}),
  /** → { pong: true, name, version, pid } */
  ping: z.strictObject({}),
} as const;

export type MethodName = keyof typeof methodSchemas;
