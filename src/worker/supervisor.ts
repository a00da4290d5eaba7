import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { within } from '../backends/within.js';
import type { ReloadReport, WorkerHealth } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { Log } from '../telemetry/logs/log.js';
import { type InheritedSockets, NO_SOCKETS } from './daemon/inherited-sockets.js';
import type { KeptFunction } from './function-registry.js';
import { PendingReplies } from './pending-replies.js';
import {
  describeError,
  type FromShard,
  type ShardEnd,
  type ShardTask,
  type ToShard,
  toError,
} from './shard-messages.js';
import { type ThreadFile, threadFile } from './thread-file.js';

/**
 * The main thread's part: runs the shard as one long piscina task, notices when it crashes or stops beating, says so, counts it, and starts it again
 * with what was registered. It does none of the shard's work, so that it answers even when the shard hangs.
 */

export interface SupervisorOptions {
  config: WorkerConfig;
  log: Log;
  /** A beat this late means that the thread hangs; ms. */
  missedBeatMs?: number;
  /** A shard that does not serve for so long, whatever is tried, is given up: `alive` says so; ms. */
  bringBackMs?: number;
  sockets?: InheritedSockets;
  /** Asked through one of the shard's edges. */
  reload?: () => Promise<ReloadReport>;
  /** What is run as the shard; its own task unless a test puts a faulty one in its place. */
  task?: ThreadFile;
}

type State = 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped';

const FIRST_BACKOFF_MS = 200;
const LAST_BACKOFF_MS = 10_000;
/** A shard that lived this long is healthy again: the next crash starts from the first back-off. */
const SETTLED_MS = 60_000;
/** Several restarts with their back-offs, and functions registered again. */
const BRING_BACK_MS = 90_000;
const CONFIGURE_LIMIT_MS = 10_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #functions = new Map<string, KeptFunction>();
  #pool: Piscina | null = null;
  #port: MessagePort | null = null;
  #task: Promise<ShardEnd> = Promise.resolve(null);
  #state: State = 'starting';
  #restarts = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #lastError: string | null = null;
  #lastBeat = 0;
  /** When a shard that listens was last heard of. */
  #lastServed = 0;
  #config: WorkerConfig;
  readonly #configured = new PendingReplies<void>(CONFIGURE_LIMIT_MS);
  #startedAt = 0;
  #watch: NodeJS.Timeout | null = null;
  httpPort: number | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#config = options.config;
  }

  /** False: the shard has served nothing for long, and starting it again did not help. What then helps is a new process. */
  get alive(): boolean {
    if (this.#state !== 'running' && this.#state !== 'restarting') return true;
    return Date.now() - this.#lastServed < (this.#options.bringBackMs ?? BRING_BACK_MS);
  }

  /** Brings changed live options into force. Rejects when the shard refuses them, or is not there to be asked. */
  async configure(config: WorkerConfig): Promise<void> {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the shard is ${this.#state}; try again`);
    await this.#configured.ask((id) => this.#send({ type: 'configure', id, config }));
    this.#config = config;
  }

  /** Resolves when the shard listens; rejects when its first start fails. */
  async start(): Promise<void> {
    await this.#launch();
    const period = Math.max(100, Math.floor(this.#missedBeatMs / 4));
    this.#watch = setInterval(() => this.#checkBeat(), period);
    this.#watch.unref();
  }

  threads(): WorkerHealth['threads'] {
    return [{ name: 'shard-0', state: this.#state, restarts: this.#restarts, lastError: this.#lastError }];
  }

  reopenLog(): void {
    this.#send({ type: 'reopenLog' });
  }

  /** Drains and ends the shard; bounded by `drainMs` and then some. */
  async stop(drainMs: number): Promise<void> {
    this.#state = 'stopping';
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#send({ type: 'stop', drainMs });
    await within(
      this.#task.catch(() => null),
      drainMs + 15_000,
    );
    await this.#pool?.destroy();
    this.#port?.close();
    this.#state = 'stopped';
  }

  get #missedBeatMs(): number {
    return this.#options.missedBeatMs ?? 15_000;
  }

  async #launch(): Promise<void> {
    const { sockets = NO_SOCKETS } = this.#options;
    const pool = new Piscina({
      ...(this.#options.task ?? threadFile('./shard-task', import.meta.url)),
      minThreads: 1,
      maxThreads: 1,
      // The task never ends by itself: waiting with Atomics for another one would block the thread's event loop for nothing.
      atomics: 'disabled',
      name: 'runShard',
    });
    const { port1, port2 } = new MessageChannel();
    this.#pool = pool;
    this.#port = port1;
    this.#startedAt = this.#lastBeat = Date.now();
    const listening = new Promise<void>((resolve) => {
      port1.on('message', (message: FromShard) => {
        if (message.type === 'listening') resolve();
        this.#received(message);
      });
    });
    const functions = [...this.#functions.values()];
    const task: ShardTask = { config: this.#config, functions, sockets, port: port2 };
    this.#task = pool.run(task, { transferList: [port2] });
    const ended = this.#task.then((end) => {
      if (end === null) throw new IluvatarError('internal', 'the shard ended by itself');
      throw toError(end);
    });
    ended.catch((error: unknown) => {
      if (this.#state === 'running' || this.#state === 'restarting') this.#crashed(error);
    });
    try {
      await Promise.race([listening, ended]);
    } catch (error) {
      if (this.#state === 'starting') await pool.destroy();
      throw error;
    }
    this.#state = 'running';
    this.#lastServed = Date.now();
    this.#tellThreads();
  }

  #received(message: FromShard): void {
    this.#lastBeat = Date.now();
    if (this.#state === 'running') this.#lastServed = this.#lastBeat;
    if (message.type === 'listening') this.httpPort = message.httpPort;
    if (message.type === 'registered') {
      const { name, version } = message.kept.definition;
      this.#functions.set(`${name}@${version}`, message.kept);
    }
    if (message.type === 'unregistered') this.#functions.delete(`${message.name}@${message.version}`);
    if (message.type === 'reload') void this.#reload(message.id);
    if (message.type === 'configured') {
      if (message.error === null) this.#configured.answer(message.id, undefined);
      else this.#configured.fail(message.id, toError(message.error));
    }
  }

  async #reload(id: number): Promise<void> {
    const { reload } = this.#options;
    try {
      if (reload === undefined)
        throw new IluvatarError('unavailable', 'this worker has no configuration to read again');
      this.#send({ type: 'reloaded', id, report: await reload(), error: null });
    } catch (error) {
      this.#send({ type: 'reloaded', id, report: null, error: describeError(error) });
    }
  }

  #checkBeat(): void {
    if (this.#state !== 'running' || Date.now() - this.#lastBeat < this.#missedBeatMs) return;
    // Ending the thread makes its task reject, which is the one way into a restart.
    this.#lastBeat = Date.now();
    this.#lastError = `no beat for ${this.#missedBeatMs} ms`;
    void this.#pool?.destroy();
  }

  #crashed(error: unknown): void {
    const { log } = this.#options;
    if (this.#state === 'restarting') return;
    this.#state = 'restarting';
    this.#configured.failAll('it crashed');
    this.#restarts++;
    this.#lastError = error instanceof Error ? error.message : String(error);
    if (Date.now() - this.#startedAt > SETTLED_MS) this.#backoffMs = FIRST_BACKOFF_MS;
    log.error(
      { err: error, thread: 'shard-0', restarts: this.#restarts, backoffMs: this.#backoffMs },
      'the shard crashed and is started again',
    );
    const delay = this.#backoffMs;
    this.#backoffMs = Math.min(LAST_BACKOFF_MS, this.#backoffMs * 2);
    setTimeout(() => void this.#restart(), delay);
  }

  async #restart(): Promise<void> {
    if (this.#state !== 'restarting') return;
    await this.#pool?.destroy().catch(() => undefined);
    this.#port?.close();
    try {
      await this.#launch();
    } catch (error) {
      this.#state = 'running';
      this.#crashed(error);
    }
  }

  #tellThreads(): void {
    this.#send({ type: 'threads', threads: this.threads() });
  }

  #send(message: ToShard): void {
    this.#port?.postMessage(message);
  }
}
