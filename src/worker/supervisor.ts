import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { within } from '../backends/within.js';
import type { WorkerHealth } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { Log } from '../telemetry/logs/log.js';
import type { FromShard, ShardEnd, ShardTask, ToShard } from './shard-messages.js';
import { type ThreadFile, threadFile } from './thread-file.js';

/**
 * The main thread's part: runs the shard as one long piscina task, notices when it crashes or stops beating, says so, counts it, and starts it again
 * (what was registered is in its store). It does none of the shard's work, so that it answers even when the shard hangs.
 */

export interface SupervisorOptions {
  config: WorkerConfig;
  log: Log;
  /** A beat this late means that the thread hangs; ms. */
  missedBeatMs?: number;
  /** What is run as the shard; its own task unless a test puts a faulty one in its place. */
  task?: ThreadFile;
}

type State = 'starting' | 'running' | 'restarting' | 'stopping' | 'stopped';

const FIRST_BACKOFF_MS = 200;
const LAST_BACKOFF_MS = 10_000;
/** A shard that lived this long is healthy again: the next crash starts from the first back-off. */
const SETTLED_MS = 60_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  #pool: Piscina | null = null;
  #port: MessagePort | null = null;
  #task: Promise<ShardEnd> = Promise.resolve(null);
  #state: State = 'starting';
  #restarts = 0;
  #backoffMs = FIRST_BACKOFF_MS;
  #lastError: string | null = null;
  #lastBeat = 0;
  #startedAt = 0;
  #watch: NodeJS.Timeout | null = null;
  httpPort: number | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
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
    const { config } = this.#options;
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
    const task: ShardTask = { config, port: port2 };
    this.#task = pool.run(task, { transferList: [port2] });
    const ended = this.#task.then((end) => {
      if (end === null) throw new IluvatarError('internal', 'the shard ended by itself');
      throw new IluvatarError(end.errorClass, end.message, end.details);
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
    this.#tellThreads();
  }

  #received(message: FromShard): void {
    this.#lastBeat = Date.now();
    if (message.type === 'listening') this.httpPort = message.httpPort;
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
