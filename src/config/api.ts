import { z } from 'zod';
import { CPU_ENFORCEMENTS, CPUSET_PATTERN, MEMORY_POLICIES } from './limits.js';
import { timingsSchema } from './timings.js';

/**
 * What a user says to a worker and hears from it, on every edge (library, unix socket, HTTP, CLI). The zod schemas are the
 * single source: types, validation, and /openapi.json derive from them.
 */

const nameText = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/,
    'letters, digits, ".", "_" and "-", at most 128, starting with a letter or digit',
  );

export const RUNTIMES = ['python3', 'nodejs', 'binary'] as const;
export const SERVERS = ['framed', 'legacy-socket', 'http'] as const;

export const functionDefinitionSchema = z
  .strictObject({
    name: nameText.describe('Function name'),
    version: nameText.default('1').describe('Function version'),
    runtime: z.enum(RUNTIMES).nullable().default(null).describe('Language runtime; null = found from the source'),
    source: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe(
        'Absolute path of a file or folder on the worker host (uploads are unpacked there first); this or `image` is given',
      ),
    image: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe(
        'A whole image instead of source: a reference, or the absolute path of an OCI or Docker archive, an OCI layout or a root file system',
      ),
    base: z
      .string()
      .min(1)
      .nullable()
      .default(null)
      .describe(
        'What source is built upon for containerd and Docker: `host` (this machine’s system, read-only), or what `image` may be; null = images.base of the worker',
      ),
    command: z
      .array(z.string())
      .min(1)
      .nullable()
      .default(null)
      .describe('What an image is started with; null = its own entry point and command'),
    readOnlyRoot: z
      .boolean()
      .nullable()
      .default(null)
      .describe('Whether the root file system of an image is read-only; null = yes for source, no for `image`'),
    entry: z
      .string()
      .nullable()
      .default(null)
      .describe('Entry point, `file:function` (Python, Node) or the executable; null = main:main, index:handler, …'),
    dependencies: z
      .boolean()
      .default(true)
      .describe('Install requirements.txt / package.json dependencies at registration'),
    memoryMb: z.number().int().min(1).max(1_048_576).default(128).describe('Memory reservation and limit; MiB'),
    memoryPolicy: z
      .enum(MEMORY_POLICIES)
      .nullable()
      .default(null)
      .describe('When it needs more than that: kill, grow, swap or none; null = the worker setting'),
    memoryCeilingMb: z
      .number()
      .int()
      .min(1)
      .max(1_048_576)
      .nullable()
      .default(null)
      .describe('Hard limit under `grow`; MiB; null = the worker’s factor'),
    swapMb: z
      .number()
      .int()
      .min(0)
      .max(1_048_576)
      .nullable()
      .default(null)
      .describe('Swap allowed under `swap`; MiB; null = the worker’s factor'),
    cpus: z.number().min(0.01).max(1024).default(1).describe('CPU quota and slots'),
    cpuEnforce: z
      .enum(CPU_ENFORCEMENTS)
      .nullable()
      .default(null)
      .describe('How it is held to them; null = the worker setting'),
    cpuset: z
      .string()
      .regex(CPUSET_PATTERN, 'cores such as "0-1,4"')
      .nullable()
      .default(null)
      .describe('Cores that it may use, as "0-1,4"; null = all'),
    concurrency: z.number().int().min(1).max(1024).default(1).describe('Invocations that one container runs at once'),
    maxContainers: z
      .number()
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('Most containers at once; null = as memory allows'),
    queueLimit: z
      .number()
      .int()
      .min(0)
      .nullable()
      .default(null)
      .describe('Most queued invocations of this function; null = the worker bound'),
    timeoutMs: z.number().int().min(1).max(86_400_000).default(60_000).describe('From enqueueing to the answer; ms'),
    startupTimeoutMs: z
      .number()
      .int()
      .min(1)
      .max(3_600_000)
      .default(30_000)
      .describe('From creation until the code is loaded; ms'),
    keepAliveMs: z
      .number()
      .int()
      .min(0)
      .nullable()
      .default(null)
      .describe('Idle time before TTL keep-alive removes a container; null = the worker setting'),
    retries: z
      .number()
      .int()
      .min(0)
      .max(100)
      .default(0)
      .describe('Runs again what a platform failure ended, never after an error of the function'),
    create: z
      .strictObject({
        attempts: z
          .number()
          .int()
          .min(1)
          .max(20)
          .nullable()
          .default(null)
          .describe('Attempts to make a container, on each backend; null = the worker setting'),
        fallBack: z
          .boolean()
          .nullable()
          .default(null)
          .describe('Take the next backend when one cannot make a container; null = the worker setting'),
      })
      .prefault({}),
    env: z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
      .default({})
      .describe('Environment variables'),
    network: z
      .enum(['none', 'host', 'bridge'])
      .default('none')
      .describe('none = loopback only; bridge = an address of its own that the host reaches; host = the host’s'),
    tmpMb: z
      .number()
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('Size of /tmp, counted against the memory; MiB; null = half the memory'),
    pids: z.number().int().min(4).max(65_536).default(256).describe('Most processes and threads'),
    server: z.enum(SERVERS).default('framed').describe('How the container is spoken to'),
    zygote: z.boolean().default(true).describe('Start from a warm interpreter where the runtime has one'),
    backends: z
      .array(z.string())
      .min(1)
      .nullable()
      .default(null)
      .describe('Accepted backends in order of preference; null = defaultBackends of the worker'),
    devices: z
      .array(z.enum(['cpu', 'gpu']))
      .min(1)
      .default(['cpu'])
      .describe('Devices it can run on'),
    gpuMemoryMb: z
      .number()
      .int()
      .min(1)
      .nullable()
      .default(null)
      .describe('Reserved on a GPU by each container; MiB; null = the worker’s share for one'),
    timings: timingsSchema.nullable().default(null),
    labels: z.record(z.string(), z.string()).default({}).describe('Free text for people'),
  })
  .describe('What is registered');

export type FunctionDefinition = z.output<typeof functionDefinitionSchema>;
export type FunctionDefinitionInput = z.input<typeof functionDefinitionSchema>;

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
  phases: Phases;
  attempts: number;
  stdout: string;
  stderr: string;
}

export interface AsyncInvocation {
  id: string;
  status: 'queued' | 'done' | 'failed';
  result: InvokeResult | null;
  error: { errorClass: string; message: string; details: unknown } | null;
}

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
}

export interface WorkerStatus {
  name: string;
  version: string;
  uptimeS: number;
  state: 'running' | 'draining' | 'stopping';
  memory: PoolMemory;
  cpu: { slots: number; used: number };
  queue: { length: number; limit: number };
  queues: Record<'cpu' | 'gpu', DeviceQueueStatus>;
  gpus: GpuStatus[];
  functions: number;
  /** Of each backend, by its name: its containers and creations, and what it counts itself. */
  backends: Record<string, Record<string, number>>;
  /** Of everything together. */
  counters: Record<string, number>;
  shards: { id: number; state: string; restarts: number }[];
}

export interface WorkerHealth {
  healthy: boolean;
  notes: string[];
  backends: { name: string; healthy: boolean; notes: string[] }[];
  threads: { name: string; state: string; restarts: number; lastError: string | null }[];
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
  /** → { id } ; the body is the arguments. */
  invokeAsync: z.strictObject({
    name: nameText,
    version: nameText.default('1'),
    timeoutMs: z.number().int().min(1).optional(),
    tid: z.string().optional(),
  }),
  /** → AsyncInvocation; waits up to waitMs for the end. */
  result: z.strictObject({ id: z.string(), waitMs: z.number().int().min(0).max(600_000).default(0) }),
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
  /** → Prometheus text as a JSON string */
  metrics: z.strictObject({}),
  /** → { pong: true, name, version } */
  ping: z.strictObject({}),
} as const;

export type MethodName = keyof typeof methodSchemas;
