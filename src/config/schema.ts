import * as z from 'zod';
import { CPU_ENFORCEMENTS, MEMORY_POLICIES } from './limits.js';
import { CPU_QUEUE_POLICIES, DISPATCH_POLICIES, EVICTION_POLICIES, GPU_QUEUE_POLICIES } from './policy-names.js';
import { asyncSection } from './sections/async.js';
import { backendsSection, imagesSection, stagesSection } from './sections/backends.js';
import { daemonSection } from './sections/daemon.js';
import { energySection } from './sections/energy.js';
import { grpcSection } from './sections/grpc.js';
import { jetsonSection } from './sections/jetson.js';
import { metricsSection } from './sections/metrics.js';
import { networkSection } from './sections/network.js';
import { profilingSection } from './sections/profiling.js';
import { recoverySection } from './sections/recovery.js';
import { sandboxSection } from './sections/sandbox.js';
import { storeSection } from './sections/store.js';
import { supervisionSection } from './sections/supervision.js';
import { tracingSection } from './sections/tracing.js';

/**
 * Every option of the worker, once. The environment names (`ILUVATAR__A__B`), the JSON Schema, docs/config.md and (later) the Ansible variables derive from here.
 */

const port = z.number().int().min(0).max(65_535);
const ms = z.number().int().min(0);
const parameters = z
  .record(z.string(), z.union([z.number(), z.string(), z.boolean(), z.record(z.string(), z.number())]))
  .default({});
const parametersOf = 'Parameters of that policy, as `iluvatar policies` names them';

export const workerConfigSchema = z
  .strictObject({
    name: z
      .string()
      .regex(/^[a-z0-9][a-z0-9-]{0,31}$/)
      .default('worker')
      .describe('Worker name: everything it owns carries it'),
    dataDir: z
      .string()
      .default('')
      .describe(
        'Layers, state and sockets; empty = /var/lib/iluvatar/<name> as root, else $XDG_STATE_HOME or ~/.local/state',
      ),
    socket: z.string().default('').describe('Unix socket of the framed protocol; empty = <dataDir>/worker.sock'),
    socketMode: z
      .string()
      .regex(/^0?[0-7]{3}$/)
      .default('0600')
      .describe('Permissions of that socket'),
    seed: z.number().int().default(0).describe('Of everything that policies leave to chance'),
    threads: z
      .boolean()
      .default(true)
      .describe('Run the shard in a thread of its own under a supervisor; false = everything on the calling thread'),
    http: z
      .strictObject({
        enabled: z.boolean().default(true).describe('Serve HTTP'),
        address: z.string().default('127.0.0.1').describe('Address to listen on'),
        port: port.default(8080).describe('Port; 0 = any free one'),
        maxBodyBytes: z
          .number()
          .int()
          .min(1024)
          .default(64 * 1024 * 1024)
          .describe('Largest request body; bytes'),
        headersTimeoutMs: ms.default(10_000).describe('A client slower than this with its headers is cut off; ms'),
        requestTimeoutMs: ms
          .default(60_000)
          .describe('A client slower than this with its whole request is cut off; ms'),
      })
      .prefault({}),
    grpc: grpcSection,
    transport: z
      .strictObject({
        maxBodyBytes: z
          .number()
          .int()
          .min(1024)
          .max(1024 * 1024 * 1024)
          .default(64 * 1024 * 1024)
          .describe('Largest argument or result; bytes'),
        spinUs: z
          .number()
          .int()
          .min(0)
          .max(10_000)
          .default(60)
          .describe(
            'Busy-wait this long before sleeping while no more requests are with containers than there are other cores, as long as that finds work; µs, 0 = never',
          ),
        highWaterBytes: z
          .number()
          .int()
          .min(1024)
          .default(1024 * 1024)
          .describe('Unsent bytes on a connection above which its sender is held back'),
      })
      .prefault({}),
    cpu: z
      .strictObject({
        slots: z.number().min(0).default(0).describe('CPU slots that admit running invocations; 0 = number of CPUs'),
        bypassMs: z
          .number()
          .min(0)
          .default(0)
          .describe(
            'Functions that run for less than this on average skip the queue and need no CPU slot when a container of theirs is idle; ms, 0 = none do',
          ),
        oversubscribe: z
          .strictObject({
            maxSlots: z
              .number()
              .min(0)
              .default(0)
              .describe('More slots while the machine has time to spare, up to this many; 0 = never more than `slots`'),
            maxLoad: z
              .number()
              .min(0)
              .default(0.8)
              .describe('Load average per core above which extra slots are taken back, half of them at a time'),
            checkMs: ms.min(10).default(1000).describe('How often the load is looked at'),
          })
          .prefault({}),
        enforce: z
          .enum(CPU_ENFORCEMENTS)
          .default('quota')
          .describe('How a container is held to its cpus: a quota per 100 ms, a weight against others, or not at all'),
      })
      .prefault({}),
    memory: z
      .strictObject({
        budgetMb: z.number().int().min(0).default(0).describe('Memory for containers; MiB, 0 = 80 % of the machine'),
        bufferMb: z.number().int().min(0).default(0).describe('Kept free by evicting idle containers; MiB'),
        sampleMs: ms.default(500).describe('How often containers that ran are measured; idle ones never are'),
        policy: z
          .enum(MEMORY_POLICIES)
          .default('kill')
          .describe(
            'When a container needs more than its memory: kill = answered out_of_memory; grow = it finishes, up to growFactor, and its container is replaced; swap = swapFactor more is swapped out; none = no limit, idle containers go when the host runs short',
          ),
        growFactor: z
          .number()
          .min(1)
          .max(1024)
          .default(2)
          .describe('Ceiling under `grow`, in multiples of the memory; over it: out_of_memory'),
        swapFactor: z
          .number()
          .min(0)
          .max(1024)
          .default(1)
          .describe('Swap allowed under `swap`, in multiples of the memory'),
        pressure: z
          .strictObject({
            watch: z
              .enum(['auto', 'always', 'never'])
              .default('auto')
              .describe(
                'Evict idle containers while the host is short of memory; auto = while a function with memory policy `none` is registered',
              ),
            checkMs: ms.min(10).default(1000).describe('How often it is looked at, while there are idle containers'),
            stallHigh: z
              .number()
              .min(0)
              .max(100)
              .default(10)
              .describe('Percent of the time that tasks waited for memory (PSI) from which it is short'),
            stallLow: z.number().min(0).max(100).default(1).describe('Percent at or under which it no longer is'),
            availableLow: z
              .number()
              .min(0)
              .max(100)
              .default(5)
              .describe('Percent of the memory available (MemAvailable) under which it is short'),
            availableHigh: z.number().min(0).max(100).default(10).describe('Percent from which it no longer is'),
          })
          .prefault({}),
      })
      .prefault({}),
    queue: z
      .strictObject({
        policy: z.enum(CPU_QUEUE_POLICIES).default('fcfs').describe('Order of invocations queued for the CPU'),
        parameters: parameters.describe(parametersOf),
        limit: z.number().int().min(0).default(10_000).describe('Most queued invocations on this worker'),
        dropAbandoned: z.boolean().default(true).describe('Drop queued invocations whose client has gone'),
      })
      .prefault({}),
    keepAlive: z
      .strictObject({
        policy: z.enum(EVICTION_POLICIES).default('lru').describe('Which idle containers go first'),
        parameters: parameters.describe(parametersOf),
        ttlMs: ms.default(600_000).describe('Idle time after which `ttl` removes a container'),
      })
      .prefault({}),
    dispatch: z
      .strictObject({
        policy: z.enum(DISPATCH_POLICIES).default('cpu').describe('Where functions run that can use the CPU or a GPU'),
        parameters: parameters.describe(parametersOf),
      })
      .prefault({}),
    create: z
      .strictObject({
        attempts: z
          .number()
          .int()
          .min(1)
          .max(20)
          .default(3)
          .describe('Attempts to make a container, on each backend; only passing failures are tried again'),
        backOffMs: ms.default(50).describe('Pause after the first failure; doubled with each further one; ms'),
        maxBackOffMs: ms.default(5000).describe('Longest such pause; ms'),
        jitter: z.number().min(0).max(1).default(0.5).describe('Part of a pause that is left to chance'),
        fallBack: z
          .boolean()
          .default(true)
          .describe('Take the next of a function’s backends when one cannot make its containers'),
        breaker: z
          .strictObject({
            failures: z
              .number()
              .int()
              .min(1)
              .default(3)
              .describe('Failures in a row after which a backend is asked only where there is no other'),
            openMs: ms.default(10_000).describe('For so long; then one creation tries it; ms'),
          })
          .prefault({}),
      })
      .prefault({}),
    gpu: z
      .strictObject({
        count: z.number().int().min(0).max(64).default(0).describe('GPUs that functions may use'),
        memoryMb: z.number().int().min(1).default(16_384).describe('Memory of each; MiB'),
        perFunctionMemoryMb: z
          .number()
          .int()
          .min(0)
          .default(0)
          .describe('Reserved on the GPU by one container; MiB, 0 = memory divided by slots'),
        slots: z.number().int().min(1).default(16).describe('Containers attached to one GPU at once, running or idle'),
        concurrency: z.number().int().min(1).default(1).describe('Of these, how many may run at once'),
        utilizationLimit: z
          .number()
          .min(0)
          .max(100)
          .default(0)
          .describe('Start nothing on a GPU above this utilisation; percent, 0 = no limit'),
        utilizationHoldMs: ms
          .default(10_000)
          .describe(
            'A GPU above that limit on which nothing of this worker runs is left alone for so long; then one invocation is tried, whatever is read of it; ms',
          ),
        sharedMemory: z
          .boolean()
          .default(false)
          .describe('The GPUs have no memory of their own: what containers reserve there comes out of memory.budgetMb'),
        queue: z
          .strictObject({
            policy: z.enum(GPU_QUEUE_POLICIES).default('fcfs').describe('Order of invocations queued for the GPUs'),
            parameters: parameters.describe(parametersOf),
          })
          .prefault({}),
        keepAlive: z
          .strictObject({
            policy: z.enum(EVICTION_POLICIES).default('lru').describe('Which idle containers on a GPU go first'),
            parameters: parameters.describe(parametersOf),
          })
          .prefault({}),
      })
      .prefault({}),
    jetson: jetsonSection,
    limits: z
      .strictObject({
        memoryMinMb: z.number().int().min(1).default(1).describe('Smallest memory a function may ask for'),
        memoryMaxMb: z.number().int().min(1).default(16_384).describe('Largest memory a function may ask for'),
        cpusMax: z.number().min(0.01).default(64).describe('Most CPUs a function may ask for'),
        sourceMaxBytes: z
          .number()
          .int()
          .min(1024)
          .default(256 * 1024 * 1024)
          .describe('Largest unpacked source'),
      })
      .prefault({}),
    sandbox: sandboxSection,
    defaultBackends: z
      .array(z.string())
      .min(1)
      .default(['process'])
      .describe('Backends of functions that name none, in order of preference'),
    backends: backendsSection,
    images: imagesSection,
    stages: stagesSection,
    cgroup: z
      .strictObject({
        mode: z.enum(['auto', 'none']).default('auto').describe('none = no cgroup limits'),
        parent: z
          .string()
          .regex(/^[A-Za-z0-9._-]+$/)
          .default('iluvatar')
          .describe('Folder made in each cgroup hierarchy'),
        favorDynmods: z
          .enum(['auto', 'off'])
          .default('auto')
          .describe('Cheap moves into cgroups through a private named hierarchy'),
        pool: z.number().int().min(0).max(1024).default(16).describe('Ready cgroups kept'),
      })
      .prefault({}),
    network: networkSection,
    store: storeSection,
    recovery: recoverySection,
    log: z
      .strictObject({
        level: z
          .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
          .default('info')
          .describe('Least level written'),
        modules: z
          .record(z.string(), z.enum(['trace', 'debug', 'info', 'warn', 'error', 'silent']))
          .default({})
          .describe('Level per module'),
        file: z.string().default('').describe('Log file; empty = <dataDir>/log/worker.log; "-" = stderr'),
        invocations: z.boolean().default(false).describe('One line per invocation at level info'),
        spans: z
          .enum(['none', 'close', 'full'])
          .default('none')
          .describe(
            'Lines for each phase of an invocation once it has ended, at level info: close = one each; full = one for its beginning too',
          ),
      })
      .prefault({}),
    metrics: metricsSection,
    tracing: tracingSection,
    profiling: profilingSection,
    energy: energySection,
    async: asyncSection,
    lifecycleThreads: z
      .number()
      .int()
      .min(1)
      .max(32)
      .default(2)
      .describe('Threads for creating and destroying containers'),
    supervision: supervisionSection,
    daemon: daemonSection,
    drainMs: ms.default(30_000).describe('How long stop waits for running invocations'),
  })
  .describe('Worker configuration');

export type WorkerConfig = z.output<typeof workerConfigSchema>;
export type WorkerConfigInput = z.input<typeof workerConfigSchema>;
