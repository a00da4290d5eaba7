import type { Worker } from 'node:worker_threads';
import type { Piscina } from 'piscina';
import { BeatWatch } from '../supervision/beats.js';
import type { Watched } from '../supervision/watched.js';
import { ThreadSlots } from './thread-slots.js';

/**
 * Notices life-cycle threads that end or hang, and ends those that hang: piscina then starts another one and rejects the tasks of the old. Looks at beats only while there
 * are tasks, so that an idle worker has no timer here.
 */
export interface PoolWatchOptions {
  readonly watched: Watched | null;
  readonly missedBeatMs: number;
  /** Most threads at a time. */
  readonly threads: number;
}

/** What piscina tells of a thread that it has made. */
interface PoolThread {
  readonly id: number;
  /** Tasks that it has. */
  readonly currentUsage: number;
}

/** A slot is free once its thread is gone, and the next may be there before that. */
const SLOTS_PER_THREAD = 2;

export class PoolWatch {
  readonly #options: PoolWatchOptions;
  readonly #slots: ThreadSlots;
  readonly #periodMs: number;
  readonly #threads = new Map<number, { worker: Worker; beats: BeatWatch }>();
  /** Ended on purpose, with the reason. */
  readonly #ended = new Map<number, { cause: 'hang' | 'budget'; message: string }>();
  #pool: Piscina | null = null;
  #timer: NodeJS.Timeout | null = null;
  #tasks = 0;
  #pausedUntil = 0;
  #stopped = false;

  constructor(options: PoolWatchOptions) {
    this.#options = options;
    this.#slots = new ThreadSlots(options.threads * SLOTS_PER_THREAD);
    this.#periodMs = BeatWatch.periodFor(options.missedBeatMs);
  }

  get memory(): SharedArrayBuffer {
    return this.#slots.memory;
  }

  /** Until tasks may be given to threads again; ms. */
  get pauseMs(): number {
    return this.#pausedUntil === 0 ? 0 : Math.max(0, this.#pausedUntil - performance.now());
  }

  follow(pool: Piscina): void {
    this.#pool = pool;
    pool.on('workerCreate', (thread: PoolThread) => this.#created(thread));
    // Of a thread without a task. Without a listener it would be thrown here, and end the shard.
    pool.on('error', () => {});
  }

  begun(): void {
    this.#tasks++;
    if (this.#timer !== null || this.#stopped) return;
    this.#timer = setInterval(() => this.#look(), this.#periodMs);
    this.#timer.unref();
  }

  ended(): void {
    if (--this.#tasks === 0) this.#disarm();
  }

  well(): void {
    this.#pausedUntil = 0;
    this.#options.watched?.running();
  }

  /** A task of this thread goes on for ever. It ends with its last task that does not. */
  overran(threadId: number, task: string): void {
    this.#ended.set(threadId, { cause: 'budget', message: `${task} did not end in its time` });
    this.#endOverrun(threadId);
  }

  stop(): void {
    this.#stopped = true;
    this.#disarm();
  }

  #disarm(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    for (const threadId of this.#ended.keys()) this.#endOverrun(threadId);
  }

  #created(thread: PoolThread): void {
    const { id } = thread;
    const worker = this.#pool?.threads.find((thread) => thread.threadId === id);
    if (worker === undefined) return;
    this.#threads.set(id, { worker, beats: new BeatWatch(this.#periodMs) });
    let failure: unknown = null;
    worker.once('error', (error) => {
      failure = error;
    });
    // Before piscina, which takes its tasks away from it.
    worker.prependOnceListener('exit', (code) => this.#gone(id, failure, code, thread.currentUsage > 0));
  }

  #gone(id: number, failure: unknown, code: number, busy: boolean): void {
    const asked = this.#ended.get(id);
    this.#threads.delete(id);
    this.#ended.delete(id);
    this.#slots.free(id);
    // One without work that ends without an error has idled for long enough.
    if (this.#stopped || (asked === undefined && failure === null && !busy)) return;
    const cause = asked?.cause ?? (failure === null ? 'exit' : 'error');
    const error = asked === undefined ? (failure ?? `it exited with code ${code}`) : asked.message;
    const pauseMs = this.#options.watched?.failed(cause, error) ?? 0;
    this.#pausedUntil = performance.now() + pauseMs;
  }

  #look(): void {
    const now = performance.now();
    for (const [id, { worker, beats }] of this.#threads) {
      const silentMs = beats.look(this.#slots.beats(id), now);
      if (this.#slots.running(id) === 0 || silentMs < this.#options.missedBeatMs) continue;
      this.#ended.set(id, { cause: 'hang', message: `no beat for ${this.#options.missedBeatMs} ms` });
      void worker.terminate();
    }
    for (const id of this.#ended.keys()) this.#endOverrun(id);
  }

  #endOverrun(id: number): void {
    const ended = this.#ended.get(id);
    if (ended?.cause === 'budget' && this.#slots.running(id) === 0) void this.#threads.get(id)?.worker.terminate();
  }
}
