import { resolve } from 'node:path';
import type {
  AsyncInvocation,
  FunctionDefinitionInput,
  InvokeOptions,
  InvokeResult,
  PrewarmOptions,
  PrewarmResult,
  RegisteredFunction,
  RegisterOptions,
  WorkerHealth,
  WorkerStatus,
} from '../config/api.js';
import { parseConfig } from '../config/load.js';
import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig, WorkerConfigInput } from '../config/schema.js';
import { absoluteImage } from '../images/image-path.js';
import { closeLog, createLog, type Log, reopenLog } from '../telemetry/logs/log.js';
import type { WorkerConnection } from './local-client.js';
import { ShardConnection } from './shard-connection.js';
import { Supervisor } from './supervisor.js';

/** What runs the shard: the supervisor of its thread, or the shard itself. */
export interface WorkerHost {
  readonly httpPort: number | null;
  /** Where the main thread serves its own health; null = it does not. */
  readonly healthPort: number | null;
  /** Has its log file opened again, where it has one of its own. */
  reopenLog(): void;
  stop(drainMs: number): Promise<void>;
}

/**
 * A worker: the library's public face, and what the command line starts.
 *
 * @example
 * await using worker = await Worker.start({ http: { enabled: false } });
 * await worker.register({ name: 'hello', source: './functions/hello' });
 * const { result, phases } = await worker.invoke('hello', { name: 'world' });
 */
export class Worker implements AsyncDisposable {
  readonly config: WorkerConfig;
  readonly #connection: WorkerConnection;
  readonly #host: WorkerHost;
  readonly #log: Log;
  #stopping: Promise<void> | null = null;

  /** @internal Use `Worker.start`. */
  constructor(config: WorkerConfig, connection: WorkerConnection, host: WorkerHost, log: Log) {
    this.#log = log;
    this.config = config;
    this.#connection = connection;
    this.#host = host;
  }

  /**
   * Starts a worker. With `threads` (the default) its shard runs in a thread of its own and this thread only supervises; without, everything runs here.
   * Throws IluvatarError: `invalid` for a bad configuration, `conflict` when its port or socket is taken.
   */
  static async start(input: WorkerConfigInput = {}): Promise<Worker> {
    const config = parseConfig(input);
    const log = createLog(config);
    try {
      return config.threads ? await startThreaded(config, log) : await startInline(config, log);
    } catch (error) {
      await closeLog(log);
      throw error;
    }
  }

  get socketPath(): string {
    return resolvePaths(this.config).socket;
  }

  /** Where HTTP is served, or null when it is off. */
  get httpUrl(): string | null {
    const { httpPort } = this.#host;
    return httpPort === null ? null : `http://${this.config.http.address}:${httpPort}`;
  }

  /** Where the main thread serves `/healthz` and `/livez` (`supervision.health`), or null when that is off. */
  get healthUrl(): string | null {
    const { healthPort } = this.#host;
    return healthPort === null ? null : `http://${this.config.supervision.health.address}:${healthPort}`;
  }

  /**
   * Registers a function straight from source, or from an image. A relative `source`, and an `image` or `base` that begins with `./` or `../`, is taken from the current
   * folder. Same content twice is fine.
   */
  async register(definition: FunctionDefinitionInput, options: RegisterOptions = {}): Promise<RegisteredFunction> {
    const { source, image, base } = definition;
    const params = {
      definition: {
        ...definition,
        ...(typeof source === 'string' ? { source: resolve(source) } : {}),
        ...(typeof image === 'string' ? { image: absoluteImage(image) } : {}),
        ...(typeof base === 'string' ? { base: absoluteImage(base) } : {}),
      },
      replace: options.replace ?? false,
      ...(options.tid === undefined ? {} : { tid: options.tid }),
    };
    return (await this.#connection.call('register', params, null, options.progress)) as RegisteredFunction;
  }

  async unregister(name: string, version = '1'): Promise<void> {
    await this.#connection.call('unregister', { name, version });
  }

  /** Runs a function and resolves with what it returned. Rejects with an IluvatarError whose `errorClass` says how it failed. */
  invoke<T = unknown>(name: string, args: unknown = {}, options: InvokeOptions = {}): Promise<InvokeResult<T>> {
    return this.#connection.invoke<T>(name, args, options);
  }

  /** Accepts an invocation and resolves with its id for `result`. */
  async invokeAsync(name: string, args: unknown = {}, options: Omit<InvokeOptions, 'signal'> = {}): Promise<string> {
    const body = Buffer.from(JSON.stringify(args));
    const reply = (await this.#connection.call('invokeAsync', { name, ...options }, body)) as { id: string };
    return reply.id;
  }

  /** An asynchronous invocation as it is, or as it is once it has ended within `waitMs`. May be read many times. */
  async result(id: string, options: { waitMs?: number } = {}): Promise<AsyncInvocation> {
    return (await this.#connection.call('result', { id, waitMs: options.waitMs ?? 0 })) as AsyncInvocation;
  }

  /** Resolves once `count` containers are ready and idle. */
  async prewarm(name: string, options: PrewarmOptions = {}): Promise<PrewarmResult> {
    return (await this.#connection.call('prewarm', { name, ...options })) as PrewarmResult;
  }

  async list(): Promise<RegisteredFunction[]> {
    return (await this.#connection.call('list', {})) as RegisteredFunction[];
  }

  async status(): Promise<WorkerStatus> {
    return (await this.#connection.call('status', {})) as WorkerStatus;
  }

  async health(): Promise<WorkerHealth> {
    return (await this.#connection.call('health', {})) as WorkerHealth;
  }

  /** Expected seconds until each would be answered, asked for in this order; 0 for one never seen. */
  async estimate(functions: { name: string; version?: string }[]): Promise<number[]> {
    return ((await this.#connection.call('estimate', { functions })) as { estimates: number[] }).estimates;
  }

  /** Removes idle containers; resolves with how many. */
  async clean(): Promise<number> {
    return ((await this.#connection.call('clean', {})) as { removed: number }).removed;
  }

  /** Accepts nothing new and waits for what is running; true when all of it has ended in time. */
  async drain(timeoutMs?: number): Promise<boolean> {
    const params = timeoutMs === undefined ? {} : { timeoutMs };
    return ((await this.#connection.call('drain', params)) as { drained: boolean }).drained;
  }

  /** Opens the log file again, after a rotation has moved it away. */
  reopenLog(): void {
    reopenLog(this.#log);
    this.#host.reopenLog();
  }

  /** Drains (at most `drainMs`), then removes every container, cgroup and socket of this worker. Idempotent. */
  stop(options: { drainMs?: number } = {}): Promise<void> {
    this.#stopping ??= this.#stop(options.drainMs ?? this.config.drainMs);
    return this.#stopping;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #stop(drainMs: number): Promise<void> {
    await this.#host.stop(drainMs);
    this.#connection.close();
    await closeLog(this.#log);
  }
}

async function startThreaded(config: WorkerConfig, log: Log): Promise<Worker> {
  const supervisor = new Supervisor({ config, log });
  await supervisor.start();
  const connection = await ShardConnection.open(resolvePaths(config).socket, config.transport.maxBodyBytes);
  return new Worker(config, connection, supervisor, log);
}

async function startInline(config: WorkerConfig, log: Log): Promise<Worker> {
  // Loaded only here: with threads, the engine, its policies, backends and edges live in the shard's thread and would be in memory twice.
  const { Shard } = await import('./shard.js');
  const { LocalClient } = await import('./local-client.js');
  const shard = new Shard({ config, log, registered: () => {}, unregistered: () => {} });
  await shard.start([]);
  return new Worker(config, new LocalClient(shard.gateway), shard, log);
}
