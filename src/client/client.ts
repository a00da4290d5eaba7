import type {
  AsyncInvocation,
  AsyncInvokeOptions,
  FunctionDefinitionInput,
  InvokeOptions,
  InvokeResult,
  MethodName,
  PrewarmOptions,
  PrewarmResult,
  RegisteredFunction,
  RegisterOptions,
  ReloadReport,
  UpgradeState,
  WorkerHealth,
  WorkerStatus,
} from '../config/api.js';
import { resolvePaths } from '../config/paths.js';
import { type WorkerConfigInput, workerConfigSchema } from '../config/schema.js';
import { awaitedResult, DeadLetterCalls, given, ScheduleCalls, toJson } from './async-calls.js';
import { ClientConnection } from './client-connection.js';

/**
 * A worker spoken to over its unix socket. Many requests may be in flight at once on the one connection; each costs one promise, and answers come in any order.
 */

export interface ConnectOptions {
  /** How long to wait for the worker's greeting; ms. */
  timeoutMs?: number;
  /** Largest result accepted; bytes. */
  maxBodyBytes?: number;
}

export interface ClientInvokeOptions extends InvokeOptions {
  /** `RegisteredFunction.handle`: spares the worker the look-up of the name. Good until the function is replaced or the worker restarts. */
  handle?: number;
}

export interface ClientRegisterOptions extends RegisterOptions {
  /** A tar or tar.gz archive of the source, in place of a path on the worker's host. */
  archive?: Uint8Array;
}

/** Who an asynchronous call, a prewarming, … is about. */
export interface FunctionReference {
  name: string;
  version?: string;
}

/**
 * Connects to a worker by its socket path, or by the configuration it was started with. Rejects with `unavailable` when none listens there.
 */
export async function connect(target: string | WorkerConfigInput, options: ConnectOptions = {}): Promise<Client> {
  const path = typeof target === 'string' ? target : resolvePaths(workerConfigSchema.parse(target)).socket;
  const connection = new ClientConnection(path, options.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES);
  await connection.greeted(options.timeoutMs ?? DEFAULT_TIMEOUT_MS);
  return new Client(connection);
}

const DEFAULT_MAX_BODY_BYTES = 64 * 1024 * 1024;
const DEFAULT_TIMEOUT_MS = 5000;

export class Client {
  readonly deadLetters = new DeadLetterCalls(this);
  readonly schedules = new ScheduleCalls(this);
  readonly #connection: ClientConnection;

  constructor(connection: ClientConnection) {
    this.#connection = connection;
  }

  /** Name of the worker at the other end. */
  get workerName(): string {
    return this.#connection.workerName;
  }

  /** False once the connection has ended: nothing can be asked over it any more. */
  get open(): boolean {
    return this.#connection.open;
  }

  /**
   * Runs a function and resolves with its result. Rejects with an IluvatarError of the failure's class; an `AbortSignal` gives up with `cancelled`.
   * Arguments are anything JSON; an object is what the sample functions expect.
   */
  invoke<T = unknown>(name: string, args: unknown = {}, options: ClientInvokeOptions = {}): Promise<InvokeResult<T>> {
    let json: string;
    try {
      json = toJson(args);
    } catch (error) {
      // Not `async` for this alone: it would cost a second promise per invocation.
      return Promise.reject(error);
    }
    return this.#connection.invoke(name, json, options) as Promise<InvokeResult<T>>;
  }

  /** As `invoke`, for arguments that are JSON text already. */
  invokeText(name: string, json: string | Uint8Array, options: ClientInvokeOptions = {}): Promise<InvokeResult> {
    return this.#connection.invoke(name, json, options);
  }

  /** One call of the control plane. `progress` gets the worker's lines while it works. */
  call(
    method: MethodName,
    params: Record<string, unknown> = {},
    body: Uint8Array | string | null = null,
    progress: ((line: string) => void) | null = null,
  ): Promise<unknown> {
    return this.#connection.call(method, params, body, progress);
  }

  async register(
    definition: FunctionDefinitionInput,
    options: ClientRegisterOptions = {},
  ): Promise<RegisteredFunction> {
    const { replace = false, tid, progress = null, archive = null } = options;
    const params = { definition, replace, ...(tid === undefined ? {} : { tid }) };
    return (await this.call('register', params, archive, progress)) as RegisteredFunction;
  }

  async unregister(name: string, version = '1'): Promise<void> {
    await this.call('unregister', { name, version });
  }

  /** Resolves with the id to ask `result` for, once it is on the worker's disk. */
  async invokeAsync(name: string, args: unknown = {}, options: AsyncInvokeOptions = {}): Promise<string> {
    return await this.invokeAsyncText(name, toJson(args), options);
  }

  /** As `invokeAsync`, for arguments that are JSON text already. */
  async invokeAsyncText(name: string, json: string | Uint8Array, options: AsyncInvokeOptions = {}): Promise<string> {
    const reply = await this.call('invokeAsync', { name, version: '1', ...given(options) }, json);
    return (reply as { id: string }).id;
  }

  /** Waits up to `waitMs` for its end; a failed invocation resolves too, with `error`. May be read many times. */
  async result(id: string, options: { waitMs?: number } = {}): Promise<AsyncInvocation> {
    return await awaitedResult(this, id, options.waitMs ?? 0);
  }

  /** Cancels an asynchronous invocation that has not begun. Rejects with `conflict` when it has. */
  async cancel(id: string): Promise<void> {
    await this.call('cancelInvocation', { id });
  }

  async prewarm(name: string, options: PrewarmOptions = {}): Promise<PrewarmResult> {
    return (await this.call('prewarm', { name, version: '1', count: 1, ...options })) as PrewarmResult;
  }

  async list(): Promise<RegisteredFunction[]> {
    return (await this.call('list')) as RegisteredFunction[];
  }

  async status(): Promise<WorkerStatus> {
    return (await this.call('status')) as WorkerStatus;
  }

  async health(): Promise<WorkerHealth> {
    return (await this.call('health')) as WorkerHealth;
  }

  /** Expected seconds from enqueueing to the answer, one per function; 0 = never seen. */
  async estimate(functions: readonly FunctionReference[]): Promise<number[]> {
    const { estimates } = (await this.call('estimate', { functions })) as { estimates: number[] };
    return estimates;
  }

  /** Removes idle containers; resolves with how many. */
  async clean(): Promise<number> {
    return ((await this.call('clean')) as { removed: number }).removed;
  }

  /** False when running invocations were left after `timeoutMs`. */
  async drain(timeoutMs?: number): Promise<boolean> {
    const params = timeoutMs === undefined ? {} : { timeoutMs };
    return ((await this.call('drain', params)) as { drained: boolean }).drained;
  }

  /** The worker reads its configuration again. Rejects with `invalid` when it refuses it, and goes on with what it has. */
  async reload(): Promise<ReloadReport> {
    return (await this.call('reload')) as ReloadReport;
  }

  /**
   * A new process takes the worker's place, with its containers and clients, this one among them. Resolves with its process id when it stands by; how it ends, `upgradeState` says. Rejects with why it
   * cannot. `drainMs`: how long what runs may take to end.
   */
  async upgrade(drainMs?: number): Promise<{ pid: number }> {
    return (await this.call('upgrade', drainMs === undefined ? {} : { drainMs })) as { pid: number };
  }

  async upgradeState(): Promise<UpgradeState> {
    return (await this.call('upgradeState')) as UpgradeState;
  }

  /** Prometheus text. */
  async metrics(): Promise<string> {
    return (await this.call('metrics')) as string;
  }

  async ping(): Promise<{ pong: true; name: string; version: string; pid: number }> {
    return (await this.call('ping')) as { pong: true; name: string; version: string; pid: number };
  }

  /** What is still in flight rejects with `unavailable`. */
  close(): void {
    this.#connection.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
