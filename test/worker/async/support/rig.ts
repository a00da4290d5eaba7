import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadBackends } from '../../../../src/backends/backends.js';
import { DeadLetterCalls, ScheduleCalls } from '../../../../src/client/async-calls.js';
import type { AsyncInvocation, AsyncInvokeOptions, InvokeResult, WorkerStatus } from '../../../../src/config/api.js';
import { parseConfig } from '../../../../src/config/load.js';
import type { WorkerConfigInput } from '../../../../src/config/schema.js';
import { MemoryStore } from '../../../../src/store/memory-store.js';
import type { Store } from '../../../../src/store/store.js';
import { closeLog, createLog, type Log } from '../../../../src/telemetry/logs/log.js';
import { NO_SOCKETS } from '../../../../src/worker/daemon/inherited-sockets.js';
import { LocalClient } from '../../../../src/worker/local-client.js';
import { Shard } from '../../../../src/worker/shard.js';

/** A shard on a store of the test's own, whose functions are simulated unless said otherwise, and which can end and begin again on what is left of the store. */
export class Rig implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-async-'));
  /** Transaction ids of all runs that were begun, in order: give each invocation its own. */
  readonly runs: string[] = [];
  readonly #config: WorkerConfigInput;
  #shard: Shard | null = null;
  #client: LocalClient | null = null;
  #log: Log | null = null;

  private constructor(config: WorkerConfigInput) {
    this.#config = config;
  }

  static #count = 0;

  static async start(config: WorkerConfigInput = {}, store: Store = new MemoryStore()): Promise<Rig> {
    const rig = new Rig({ name: `async-${process.pid}-${Rig.#count++}`, ...config });
    try {
      await rig.begin(store);
      return rig;
    } catch (error) {
      await rig[Symbol.asyncDispose]();
      throw error;
    }
  }

  get shard(): Shard {
    if (this.#shard === null) throw new Error('the shard does not run');
    return this.#shard;
  }

  get url(): string {
    return `http://127.0.0.1:${this.shard.httpPort}`;
  }

  get deadLetters(): DeadLetterCalls {
    return new DeadLetterCalls(this.#client as LocalClient);
  }

  get schedules(): ScheduleCalls {
    return new ScheduleCalls(this.#client as LocalClient);
  }

  /** A life of the worker on this store, with the functions that it holds. */
  async begin(store: Store): Promise<void> {
    const config = parseConfig({
      dataDir: join(this.folder, 'data'),
      threads: false,
      drainMs: 0,
      defaultBackends: ['simulated'],
      memory: { budgetMb: 4096 },
      cpu: { slots: 32 },
      backends: { process: { enabled: false }, simulated: { enabled: true } },
      ...this.#config,
      http: { port: 0, ...this.#config.http },
      async: { backOffMs: 1, maxBackOffMs: 5, ...this.#config.async },
    });
    this.#log = createLog(config);
    const shard = new Shard({
      config,
      log: this.#log,
      store,
      backends: await loadBackends(config),
      sockets: NO_SOCKETS,
      ask: () => Promise.reject(new Error('there is no process to ask')),
    });
    const { gateway } = shard;
    const invoke = gateway.invoke.bind(gateway);
    gateway.invoke = (handle, payload, timeoutMs, tid, sink) => {
      this.runs.push(tid);
      return invoke(handle, payload, timeoutMs, tid, sink);
    };
    this.#shard = shard;
    this.#client = new LocalClient(gateway);
    await shard.start();
  }

  async end(drainMs = 0): Promise<void> {
    const shard = this.#shard;
    this.#shard = null;
    await shard?.stop(drainMs);
    if (this.#log !== null) await closeLog(this.#log);
    this.#log = null;
  }

  /** Registers a function that only pretends: `simulated` is its description. */
  async simulated(name: string, simulated: object = {}, more: object = {}): Promise<void> {
    const source = join(this.folder, 'source', name);
    mkdirSync(source, { recursive: true });
    const description = { create: 100, run: 100, outcomes: OUTCOMES, ...simulated };
    writeFileSync(join(source, 'simulated.json'), JSON.stringify(description));
    await this.call('register', { definition: { name, source, memoryMb: 1, cpus: 0.1, ...more } });
  }

  async call(method: Parameters<LocalClient['call']>[0], params: object, body: unknown = undefined): Promise<unknown> {
    const bytes = body === undefined ? null : Buffer.from(JSON.stringify(body));
    return await (this.#client as LocalClient).call(method, params as Record<string, unknown>, bytes);
  }

  /** Synchronously. */
  async run(name: string, args: unknown = {}): Promise<InvokeResult> {
    return await (this.#client as LocalClient).invoke(name, args, {});
  }

  async invoke(name: string, args: unknown = {}, options: AsyncInvokeOptions = {}): Promise<string> {
    return ((await this.call('invokeAsync', { name, ...options }, args)) as { id: string }).id;
  }

  async result(id: string, waitMs = 20_000): Promise<AsyncInvocation> {
    return (await this.call('result', { id, waitMs })) as AsyncInvocation;
  }

  async cancel(id: string): Promise<void> {
    await this.call('cancelInvocation', { id });
  }

  status(): WorkerStatus {
    return this.shard.status();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.end();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
    }
  }
}

/** Chosen by `{"do": …}` in the arguments. */
const OUTCOMES = {
  raise: { errorClass: 'user_error', message: 'raised' },
  die: { exit: { signal: 'SIGSEGV' } },
  slow: { run: 300_000 },
  long: { run: 30_000_000 },
};
