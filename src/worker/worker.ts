import { resolve } from 'node:path';
import { awaitedResult, DeadLetterCalls, given, ScheduleCalls, toJson } from '../client/async-calls.js';
import type {
  AsyncInvocation,
  AsyncInvokeOptions,
  FunctionDefinitionInput,
  InvokeOptions,
  InvokeResult,
  PrewarmOptions,
  PrewarmResult,
  RegisteredFunction,
  RegisterOptions,
  ReloadReport,
  WorkerHealth,
  WorkerStatus,
} from '../config/api.js';
import { parseConfig } from '../config/load.js';
import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig, WorkerConfigInput } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { absoluteImage } from '../images/image-path.js';
import { closeLog, createLog, type Log, reopenLog, setLogLevels } from '../telemetry/logs/log.js';
import { profileThisThread } from '../telemetry/profile/cpu-profile.js';
import { ConfigReload, type ReloadObserver } from './config-reload.js';
import { type InheritedSockets, NO_SOCKETS } from './daemon/inherited-sockets.js';
import type { UpgradeControl } from './daemon/upgrade.js';
import type { WorkerConnection } from './local-client.js';
import { ShardConnection } from './shard-connection.js';
import type { ProcessQuestion } from './shard-messages.js';
import { Supervisor } from './supervisor.js';

/** What runs the shard: the supervisor of its thread, or the shard itself. */
export interface WorkerHost {
  readonly httpPort: number | null;
  readonly grpcPort: number | null;
  /** False: it hangs and cannot be started again. */
  readonly alive: boolean;
  /** Brings changed live options into force. Rejects, with nothing changed, when it cannot. */
  configure(config: WorkerConfig): Promise<void> | void;
  /** Where the main thread serves its own health; null = it does not. */
  readonly healthPort: number | null;
  /** Ends what serves so that another process, or `takeBack`, goes on where it was. Rejects, with nothing changed, when it cannot. */
  handOver(drainMs: number): Promise<void>;
  takeBack(sockets: InheritedSockets): Promise<void>;
  /** Has its log file opened again, where it has one of its own. */
  reopenLog(): void;
  stop(drainMs: number): Promise<void>;
}

/** What only a process that is a worker and nothing else has to say. */
export interface WorkerProcess {
  /** Listening sockets to take over instead of making them. */
  sockets?: InheritedSockets;
  /** Reads the configuration anew, for `reload`. */
  reread?: () => WorkerConfig;
  observer?: ReloadObserver;
  /** How it is replaced by a new process. */
  upgrade?: UpgradeControl;
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
  readonly deadLetters: DeadLetterCalls;
  readonly schedules: ScheduleCalls;
  readonly #reload: ConfigReload;
  readonly #sockets: InheritedSockets;
  readonly #connection: WorkerConnection;
  readonly #host: WorkerHost;
  readonly #log: Log;
  #stopping: Promise<void> | null = null;

  /** @internal Use `Worker.start`. */
  constructor(connection: WorkerConnection, host: WorkerHost, reload: ConfigReload, parts: WorkerParts) {
    this.#log = parts.log;
    this.#sockets = parts.sockets;
    this.#connection = connection;
    this.deadLetters = new DeadLetterCalls(connection);
    this.schedules = new ScheduleCalls(connection);
    this.#host = host;
    this.#reload = reload;
  }

  /** In force: live options change with a reload. */
  get config(): WorkerConfig {
    return this.#reload.config;
  }

  /** False: its shard hangs and could not be started again. What helps then is a new process. */
  get alive(): boolean {
    return this.#host.alive;
  }

  /**
   * Starts a worker. With `threads` (the default) its shard runs in a thread of its own and this thread only supervises; without, everything runs here.
   * Throws IluvatarError: `invalid` for a bad configuration, `conflict` when its port or socket is taken.
   */
  static async start(input: WorkerConfigInput = {}, own: WorkerProcess = {}): Promise<Worker> {
    const config = parseConfig(input);
    const log = createLog(config);
    const parts = { config, log, sockets: own.sockets ?? NO_SOCKETS };
    try {
      return config.threads ? await startThreaded(parts, own) : await startInline(parts, own);
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
    const { http } = this.#sockets;
    if (http !== null) return `http://${http.address}`;
    return httpPort === null ? null : `http://${this.config.http.address}:${httpPort}`;
  }

  /** Where gRPC is served, "127.0.0.1:8070", or null when it is off. */
  get grpcAddress(): string | null {
    const { grpcPort } = this.#host;
    const { grpc } = this.#sockets;
    if (grpc !== null) return grpc.address;
    const { address } = this.config.grpc;
    return grpcPort === null ? null : `${address.includes(':') ? `[${address}]` : address}:${grpcPort}`;
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

  /** Accepts an invocation and resolves with its id for `result`, once it is on the disk. */
  async invokeAsync(name: string, args: unknown = {}, options: AsyncInvokeOptions = {}): Promise<string> {
    const body = Buffer.from(toJson(args));
    const reply = (await this.#connection.call('invokeAsync', { name, ...given(options) }, body)) as { id: string };
    return reply.id;
  }

  /** An asynchronous invocation as it is, or as it is once it has ended within `waitMs`. May be read many times. */
  async result(id: string, options: { waitMs?: number } = {}): Promise<AsyncInvocation> {
    return await awaitedResult(this.#connection, id, options.waitMs ?? 0);
  }

  /** Cancels an asynchronous invocation that has not begun. Rejects with `conflict` when it has. */
  async cancel(id: string): Promise<void> {
    await this.#connection.call('cancelInvocation', { id });
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
    this.#reload.reopenLog();
  }

  /**
   * Reads the configuration again, where this process has one to read, brings into force what can change at once, and names the rest. Rejects with `invalid`,
   * with nothing changed, when it is refused. The log file is opened again in any case.
   */
  reload(): Promise<ReloadReport> {
    return this.#reload.reload();
  }

  /** @internal Part of an upgrade (src/worker/daemon/upgrade.ts). */
  handOver(drainMs: number): Promise<void> {
    return this.#host.handOver(drainMs);
  }

  /** @internal After `handOver`, when nobody has taken over. */
  takeBack(sockets: InheritedSockets): Promise<void> {
    return this.#host.takeBack(sockets);
  }

  /** @internal After `handOver`: another process serves. */
  async leave(): Promise<void> {
    this.#connection.close();
    await closeLog(this.#log);
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

interface WorkerParts {
  readonly config: WorkerConfig;
  readonly log: Log;
  readonly sockets: InheritedSockets;
}

async function startThreaded({ config, log, sockets }: WorkerParts, own: WorkerProcess): Promise<Worker> {
  const answer = (question: ProcessQuestion): Promise<unknown> => answerFor(own, reload, question);
  const supervisor = new Supervisor({ config, log, sockets, answer });
  const reload = configReload({ config, log, sockets }, own, supervisor);
  await supervisor.start();
  const connection = await ShardConnection.open(resolvePaths(config).socket, config.transport.maxBodyBytes);
  return new Worker(connection, supervisor, reload, { config, log, sockets });
}

async function startInline({ config, log, sockets }: WorkerParts, own: WorkerProcess): Promise<Worker> {
  // Loaded only here: with threads, the engine, its policies, backends and edges live in the shard's thread and would be in memory twice.
  const { Shard } = await import('./shard.js');
  const { LocalClient } = await import('./local-client.js');
  const { openWorkerStore } = await import('./worker-store.js');
  const { loadBackends } = await import('../backends/backends.js');
  const backends = await loadBackends(config);
  const opened = await openWorkerStore(config, log);
  try {
    const ask = (question: ProcessQuestion): Promise<unknown> => answerFor(own, reload, question);
    const shard = new Shard({ config, log, sockets, backends, store: opened.store, ask });
    const reload = configReload({ config, log, sockets }, own, shard);
    await shard.start();
    return new Worker(new LocalClient(shard.gateway), withStore(shard, opened), reload, { config, log, sockets });
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** What serves is this very thread, which cannot end and go on. */
async function refuse(): Promise<never> {
  throw new IluvatarError('unavailable', 'a worker without threads cannot be handed over');
}

/** The store is closed after whatever writes there. */
function withStore(shard: Omit<WorkerHost, 'handOver' | 'takeBack'>, store: { close(): Promise<void> }): WorkerHost {
  return {
    get httpPort() {
      return shard.httpPort;
    },
    get grpcPort() {
      return shard.grpcPort;
    },
    get healthPort() {
      return shard.healthPort;
    },
    get alive() {
      return shard.alive;
    },
    configure: (config) => shard.configure(config),
    reopenLog: () => shard.reopenLog(),
    handOver: refuse,
    takeBack: refuse,
    stop: async (drainMs) => {
      await shard.stop(drainMs);
      await store.close();
    },
  };
}

/** What only the process can do. */
async function answerFor(own: WorkerProcess, reload: ConfigReload, question: ProcessQuestion): Promise<unknown> {
  if (question.of === 'reload') return await reload.reload();
  if (question.of === 'profile') return await profileThisThread(question.request);
  if (own.upgrade !== undefined) {
    return question.of === 'upgrade' ? await own.upgrade.begin(question.drainMs) : own.upgrade.state;
  }
  if (question.of === 'upgradeState') return { pid: process.pid, state: 'none', reason: null };
  throw new IluvatarError('unavailable', 'this worker is part of another program, which alone can replace it');
}

function configReload(
  { config, log }: WorkerParts,
  own: WorkerProcess,
  host: Pick<WorkerHost, 'configure' | 'reopenLog'>,
): ConfigReload {
  return new ConfigReload({
    config,
    log,
    reread: own.reread ?? null,
    observer: own.observer ?? null,
    reopenLog: () => {
      reopenLog(log);
      host.reopenLog();
    },
    apply: async (changed) => {
      await host.configure(changed);
      setLogLevels(log, changed.log);
    },
  });
}
