import { MessageChannel, type MessagePort, receiveMessageOnPort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { within } from '../backends/within.js';
import type { WorkerHealth } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { Log } from '../telemetry/logs/log.js';
import { type InheritedSockets, NO_SOCKETS } from './daemon/inherited-sockets.js';
import { closeOwnSocket, openOwnSocket } from './daemon/own-socket.js';
import { PendingReplies } from './pending-replies.js';
import {
  describeError,
  type FromShard,
  type ProcessQuestion,
  type ShardEnd,
  type ShardTask,
  type ToShard,
  toError,
} from './shard-messages.js';
import { answerForShard, inFlightMemory } from './supervision/answer-for-shard.js';
import { Beat, BeatWatch } from './supervision/beats.js';
import { HealthListener } from './supervision/health-listener.js';
import { ShardHealth } from './supervision/shard-health.js';
import { WatchList } from './supervision/watch-list.js';
import type { EndCause, Watched } from './supervision/watched.js';
import { type ThreadFile, threadFile } from './thread-file.js';

/**
 * The main thread's part: runs the shard as one long piscina task, notices when it crashes or stops beating, says so, counts it, and starts it again
 * (what was registered is in its store). It does none of the shard's work, so that it answers even when the shard hangs.
 */

export interface SupervisorOptions {
  config: WorkerConfig;
  log: Log;
  /** A shard that does not serve for so long, whatever is tried, is given up: `alive` says so; ms. */
  bringBackMs?: number;
  sockets?: InheritedSockets;
  /** Asked through one of the shard's edges for what only the process can do. */
  answer?: (question: ProcessQuestion) => Promise<unknown>;
  /** What is run as the shard; its own task unless a test puts a faulty one in its place. */
  task?: ThreadFile;
}

type State = 'starting' | 'running' | 'handing over' | 'handed over' | 'restarting' | 'stopping' | 'stopped';

/** A thread that is told to end and does not within this time stands in a system call. */
const END_LIMIT_MS = 10_000;
/** Several restarts with their back-offs, and functions registered again. */
const BRING_BACK_MS = 90_000;
const ORDER_LIMIT_MS = 10_000;

export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #watches: WatchList;
  readonly #watched: Watched;
  readonly #shardHealth: ShardHealth;
  #listener: HealthListener | null = null;
  #pool: Piscina | null = null;
  #port: MessagePort | null = null;
  #beats = new Beat(Beat.memory());
  #beatWatch: BeatWatch;
  #inFlight = inFlightMemory();
  #task: Promise<ShardEnd> = Promise.resolve(null);
  #state: State = 'starting';
  /** Why it ends: as it has said itself, or as was decided here. */
  #cause: { cause: EndCause; message: string } | null = null;
  /** When a shard that listens was last seen to live. */
  #lastServed = 0;
  #config: WorkerConfig;
  #sockets: InheritedSockets;
  readonly #orders = new PendingReplies<void>(ORDER_LIMIT_MS);
  #watch: NodeJS.Timeout | null = null;
  #told = '';
  httpPort: number | null = null;
  grpcPort: number | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    const { config, log } = options;
    this.#config = config;
    this.#sockets = options.sockets ?? NO_SOCKETS;
    this.#watches = new WatchList({ restart: config.supervision.restart, log });
    this.#watched = this.#watches.thread('shard-0', { critical: true });
    this.#beatWatch = new BeatWatch(this.#periodMs);
    this.#shardHealth = new ShardHealth({
      answerMs: config.supervision.health.answerMs,
      ask: (id) => this.#serves && this.#send({ type: 'health', id }),
      watched: () => this.#watches.health(),
    });
  }

  /** False: the shard has served nothing for long, and starting it again did not help. What then helps is a new process. */
  get alive(): boolean {
    if (!this.#serves && this.#state !== 'restarting') return true;
    return Date.now() - this.#lastServed < (this.#options.bringBackMs ?? BRING_BACK_MS);
  }

  /** Brings changed live options into force. Rejects when the shard refuses them, or is not there to be asked. */
  async configure(config: WorkerConfig): Promise<void> {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the shard is ${this.#state}; try again`);
    await this.#orders.ask((id) => this.#send({ type: 'configure', id, config }));
    this.#config = config;
  }

  /** Resolves when the shard listens; rejects when its first start fails. */
  async start(): Promise<void> {
    try {
      // First: a port that is taken must be found out before anything is made.
      await this.#listen();
      await this.#launch();
    } catch (error) {
      await this.#listener?.close();
      this.#closeSockets();
      throw error;
    }
    this.#watch = setInterval(() => this.#look(), this.#periodMs);
    this.#watch.unref();
  }

  threads(): WorkerHealth['threads'] {
    return this.#watches.health();
  }

  /** The shard's own answer; what is known here where it gives none in time. Never rejects. */
  health(): Promise<WorkerHealth> {
    return this.#shardHealth.read();
  }

  /** Where the main thread serves its health; null = it does not. */
  get healthPort(): number | null {
    return this.#listener?.port ?? null;
  }

  reopenLog(): void {
    this.#send({ type: 'reopenLog' });
  }

  /**
   * Ends the shard in such a way that another process, or `takeBack`, goes on where it was. Rejects with `unavailable`, with nothing changed, when what runs has not ended within `drainMs`, or there
   * is nobody to hand over to.
   */
  async handOver(drainMs: number): Promise<void> {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the shard is ${this.#state}; try again`);
    this.#state = 'handing over';
    const order = (id: number): boolean => this.#send({ type: 'handOver', id, drainMs });
    let crash: unknown = null;
    // It ends when it is done, which is told another way than its answer, and may be here first: taken for a crash, it would be started again, and take its clients back from whoever has them by then.
    const ended = endAsAsked(this.#task).catch((error: unknown) => {
      crash = error;
      throw error;
    });
    try {
      await Promise.race([this.#orders.ask(order, drainMs + ORDER_LIMIT_MS), ended]);
    } catch (error) {
      this.#state = 'running';
      if (crash !== null) this.#failed(crash);
      throw error;
    }
    this.#state = 'handed over';
    await within(
      this.#task.catch(() => null),
      END_LIMIT_MS,
    );
    await this.#end();
    await this.#listener?.close();
    this.#listener = null;
  }

  /** Goes on after `handOver`, on these sockets where others were handed over. */
  async takeBack(sockets: InheritedSockets): Promise<void> {
    this.#sockets = sockets;
    this.#state = 'restarting';
    await this.#listen();
    await this.#launch();
  }

  /** Drains and ends the shard; bounded by `drainMs` and then some. */
  async stop(drainMs: number): Promise<void> {
    this.#state = 'stopping';
    this.#watched.set('stopping');
    if (this.#watch !== null) clearInterval(this.#watch);
    this.#send({ type: 'stop', drainMs });
    await within(
      this.#task.catch(() => null),
      drainMs + 15_000,
    );
    await this.#end();
    await this.#listener?.close();
    this.#closeSockets();
    this.#state = 'stopped';
    this.#watched.set('stopped');
  }

  async #listen(): Promise<void> {
    const { config, log } = this.#options;
    this.#sockets = { ...this.#sockets, unix: this.#sockets.unix ?? openOwnSocket(config) };
    if (!config.supervision.health.enabled) return;
    this.#listener = await HealthListener.start(config.supervision.health, () => this.health(), log);
  }

  /** Nobody serves there any more. Sockets of a service manager stay at their places. */
  #closeSockets(): void {
    if (this.#sockets.unix !== null) closeOwnSocket(this.#sockets.unix);
    this.#sockets = NO_SOCKETS;
  }

  get #serves(): boolean {
    return this.#state === 'running' || this.#state === 'handing over';
  }

  get #missedBeatMs(): number {
    return this.#options.config.supervision.missedBeatMs;
  }

  get #periodMs(): number {
    return BeatWatch.periodFor(this.#missedBeatMs);
  }

  async #launch(): Promise<void> {
    const pool = new Piscina({
      ...(this.#options.task ?? threadFile('worker/shard-task')),
      minThreads: 1,
      maxThreads: 1,
      // The task never ends by itself: waiting with Atomics for another one would block the thread's event loop for nothing.
      atomics: 'disabled',
      name: 'runShard',
    });
    // A thread that fails before it has its task: the task tells of it. Without a listener it would end this process.
    pool.on('error', () => {});
    const { port1, port2 } = new MessageChannel();
    this.#pool = pool;
    this.#port = port1;
    this.#cause = null;
    const beats = Beat.memory();
    this.#beats = new Beat(beats);
    this.#inFlight = inFlightMemory();
    this.#beatWatch = new BeatWatch(this.#periodMs);
    const listening = new Promise<void>((resolve) => {
      port1.on('message', (message: FromShard) => {
        if (message.type === 'listening') resolve();
        this.#received(message);
      });
    });
    const task: ShardTask = {
      config: this.#config,
      sockets: this.#sockets,
      port: port2,
      beats,
      inFlight: this.#inFlight,
    };
    this.#task = pool.run(task, { transferList: [port2] });
    const ended = endAsAsked(this.#task).then(() => {
      throw new IluvatarError('internal', 'the shard ended by itself');
    });
    ended.catch((error: unknown) => {
      if (this.#state === 'running') this.#failed(error);
    });
    try {
      await Promise.race([listening, ended]);
    } catch (error) {
      if (this.#state === 'starting') await pool.destroy();
      throw error;
    }
    if (this.#state !== 'starting' && this.#state !== 'restarting') return;
    this.#state = 'running';
    this.#watched.running();
    this.#lastServed = Date.now();
    this.#tellThreads();
  }

  #received(message: FromShard): void {
    switch (message.type) {
      case 'listening':
        this.httpPort = message.httpPort;
        this.grpcPort = message.grpcPort;
        return;
      case 'ending':
        this.#cause ??= { cause: message.cause, message: message.message };
        return;
      case 'health':
        this.#shardHealth.answered(message.id, message.health);
        return;
      case 'ask':
        void this.#answer(message.id, message.question);
        return;
      case 'configured':
      case 'handedOver':
        if (message.error === null) this.#orders.answer(message.id, undefined);
        else this.#orders.fail(message.id, toError(message.error));
    }
  }

  async #answer(id: number, question: ProcessQuestion): Promise<void> {
    const { answer } = this.#options;
    try {
      if (answer === undefined) throw new IluvatarError('unavailable', 'nobody here can do that');
      this.#send({ type: 'told', id, value: await answer(question), error: null });
    } catch (error) {
      this.#send({ type: 'told', id, value: null, error: describeError(error) });
    }
  }

  /** Also while it starts: what hangs then would else be waited for for ever. */
  #look(): void {
    if (!this.#serves) return;
    this.#tellThreads();
    const silentMs = this.#beatWatch.look(this.#beats.count, performance.now());
    if (silentMs === 0) this.#lastServed = Date.now();
    if (silentMs < this.#missedBeatMs) return;
    this.#cause ??= { cause: 'hang', message: `no beat for ${this.#missedBeatMs} ms` };
    answerForShard(this.#inFlight, this.#cause.message);
    // Ending the thread makes its task reject, which is the one way into a restart.
    void this.#pool?.threads[0]?.terminate();
  }

  #failed(error: unknown): void {
    if (this.#state !== 'running' && this.#state !== 'restarting') return;
    this.#state = 'restarting';
    this.#orders.failAll('it crashed');
    // What it said last may still lie in its port: the end of a thread is told another way, and may be here first.
    for (let left = this.#port; left !== null; ) {
      const received = receiveMessageOnPort(left);
      if (received === undefined) break;
      this.#received(received.message as FromShard);
    }
    const own = error instanceof Error ? error : new Error(String(error));
    const { cause, message } = this.#cause ?? { cause: causeOf(own), message: own.message };
    const pauseMs = this.#watched.failed(cause, cause === 'hang' ? message : own);
    setTimeout(() => void this.#restart(), pauseMs);
  }

  async #restart(): Promise<void> {
    if (this.#state !== 'restarting') return;
    await this.#end();
    try {
      await this.#launch();
    } catch (error) {
      this.#failed(error);
    }
  }

  async #end(): Promise<void> {
    const pool = this.#pool;
    this.#pool = null;
    if (pool !== null && !(await within(pool.destroy(), END_LIMIT_MS))) {
      this.#options.log.error(
        { thread: 'shard-0' },
        'a thread could not be ended; what it holds is free only with the process',
      );
    }
    this.#port?.close();
    this.#port = null;
  }

  /** What has changed only. */
  #tellThreads(): void {
    const threads = this.threads();
    const text = JSON.stringify(threads);
    if (text === this.#told) return;
    this.#told = text;
    this.#send({ type: 'threads', threads });
  }

  #send(message: ToShard): boolean {
    this.#port?.postMessage(message);
    return this.#port !== null;
  }
}

/** Rejects with whatever else a shard's task ends with. */
async function endAsAsked(task: Promise<ShardEnd>): Promise<void> {
  const end = await task;
  if (end !== null) throw toError(end);
}

/** As far as it can be told from how piscina reports it; used where the thread itself has said nothing. */
function causeOf(error: Error): EndCause {
  return /exited with code/.test(error.message) ? 'exit' : 'error';
}
