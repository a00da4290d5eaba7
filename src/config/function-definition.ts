import * as z from 'zod';
import { asyncDefinitionSchema } from './async-definition.js';
import { CPU_ENFORCEMENTS, CPUSET_PATTERN, MEMORY_POLICIES } from './limits.js';
import { timingsSchema } from './timings.js';
/** What a function is: source or an image, what it needs, and how it is treated. The zod schema is the single source: types, validation, and /openapi.json derive from it. */

export const nameText = z
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
    async: asyncDefinitionSchema.describe('How asynchronous invocations are treated'),
    timings: timingsSchema.nullable().default(null),
    labels: z.record(z.string(), z.string()).default({}).describe('Free text for people'),
  })
  .describe('What is registered');

export type FunctionDefinition = z.output<typeof functionDefinitionSchema>;
export type FunctionDefinitionInput = z.input<typeof functionDefinitionSchema>;
