import { setTimeout as sleep } from 'node:timers/promises';
import { IluvatarError } from '../core/errors.js';
import { type NativeKeeperClient, native, nativeFile } from '../native.js';
import { Outbox } from './outbox.js';

/**
 * A connection to the keeper of one path: a process that holds duplicates of descriptors for a worker that may be killed, and gives them to the next (docs/keeper.md).
 * What is given to it is held in the order of the calls, and nothing here waits for it.
 */

/** A keeper that does nothing for this long is taken for lost. */
const STALLED_MS = 10_000;
const CONNECT_ATTEMPTS = 50;
const CONNECT_PAUSE_MS = 10;

export interface KeeperLog {
  warn(fields: Record<string, unknown>, message: string): void;
}

export interface KeeperOptions {
  /** Of its socket; absolute, 107 bytes at most. */
  path: string;
  /** How long it holds everything while no client is connected. Of a keeper that runs already, its own counts. */
  graceMs: number;
  log: KeeperLog;
}

export interface Held {
  key: string;
  text: string;
  /** Close-on-exec, and the receiver's to close: with `native().system.close`, in a thread, or whoever takes them over. */
  fds: number[];
}

interface Waiting<T> {
  resolve(value: T): void;
  reject(error: Error): void;
}

export class Keeper {
  /** The keeper has gone, and all that it held for this worker with it. Another may be opened, and everything held again. Not called after `quit` and `close`. */
  onLost: ((reason: string) => void) | null = null;
  /** Nothing is held under this key: the keeper is full, or what was to be held cannot be. */
  onRefused: ((key: string) => void) | null = null;

  readonly #log: KeeperLog;
  readonly #client: NativeKeeperClient;
  readonly #outbox: Outbox;
  readonly #lists: Waiting<Held[]>[] = [];
  #quitting: Waiting<void> | null = null;
  #connected = true;
  #watch: NodeJS.Timeout | null = null;

  /** Connects to the keeper of this path, or starts one. It may be lost at once, when its grace is just over: set `onLost` right after. Rejects with a system error, or `unavailable` when somebody listens there and lets nobody in. */
  static async open(options: KeeperOptions): Promise<Keeper> {
    let failure: unknown = null;
    for (let attempt = 0; attempt < CONNECT_ATTEMPTS; attempt++) {
      if (attempt > 0) await sleep(CONNECT_PAUSE_MS);
      try {
        return new Keeper(options);
      } catch (error) {
        failure = error;
      }
      const code = codeOf(failure);
      // Its backlog is full: it is there.
      if (code === 'EAGAIN') continue;
      if (code !== 'ENOENT' && code !== 'ECONNREFUSED') throw failure;
      try {
        native().keeper.start(options.path, options.graceMs, nativeFile('iluvatar-keeper'));
        return new Keeper(options);
      } catch (error) {
        failure = error;
      }
      // Somebody else has started one in between, or the one just started has been ended.
      if (!['EADDRINUSE', 'EAGAIN', 'ECONNREFUSED', 'ENOENT'].includes(codeOf(failure))) throw failure;
    }
    throw new IluvatarError('unavailable', `no keeper can be reached at ${options.path}: ${String(failure)}`);
  }

  /** Connects to the keeper of this path; null = none runs there. Rejects with any other system error. */
  static async find(options: Omit<KeeperOptions, 'graceMs'>): Promise<Keeper | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        return new Keeper(options);
      } catch (error) {
        const code = codeOf(error);
        if (code === 'ENOENT' || code === 'ECONNREFUSED') return null;
        if (code !== 'EAGAIN' || attempt === CONNECT_ATTEMPTS) throw error;
        await sleep(CONNECT_PAUSE_MS);
      }
    }
  }

  private constructor(options: Omit<KeeperOptions, 'graceMs'>) {
    this.#log = options.log;
    this.#client = native().keeper.connect(options.path, {
      onFull: (key) => this.#refuse(key, 'the keeper is full'),
      onListed: (items) => this.#listed(items),
      onEnd: (code) => this.#ended(code ?? 'the keeper has ended'),
    });
    this.#outbox = new Outbox({
      client: this.#client,
      system: native().system,
      stalledMs: STALLED_MS,
      onRefused: (key, reason) => this.#refuse(key, reason),
      onBroken: (reason) => this.#ended(reason),
      onStalled: () => this.#lose('the keeper does not read'),
    });
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** In the place of what the key had. The descriptors may be closed as soon as this returns. Never throws: see `onRefused`; without a connection it does nothing. */
  hold(key: string, text: string, fds: readonly number[]): void {
    if (this.#connected) this.#outbox.hold(key, text, fds);
  }

  drop(key: string): void {
    if (this.#connected) this.#outbox.drop(key);
  }

  /** All that is held, by whomever, in the order in which the keys came; after what was held and dropped here before. Rejects with `unavailable`. */
  list(): Promise<Held[]> {
    return new Promise((resolve, reject) => {
      if (!this.#connected) {
        reject(lost('not connected'));
        return;
      }
      this.#lists.push({ resolve, reject });
      this.#outbox.list();
      this.#expectAnswer();
    });
  }

  /** Resolves once everything said before is with the kernel, from where the keeper reads it even if this process is killed. Rejects with `unavailable`. */
  flush(): Promise<void> {
    return this.#connected ? this.#outbox.flush() : Promise.reject(lost('not connected'));
  }

  /** Resolves once the keeper has dealt with everything said before, so that whoever asks it next, on another connection, sees it. Rejects with `unavailable`. */
  async settled(): Promise<void> {
    for (const { fds } of await this.list()) for (const fd of fds) native().system.close(fd);
  }

  /** The keeper closes all that it holds, for anybody, and exits. Resolves when it has, or had gone before. */
  quit(): Promise<void> {
    if (!this.#connected) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const earlier = this.#quitting;
      this.#quitting = {
        resolve: () => {
          earlier?.resolve();
          resolve();
        },
        reject: (error) => {
          earlier?.reject(error);
          reject(error);
        },
      };
      if (earlier === null) this.#outbox.quit();
      this.#expectAnswer();
    });
  }

  /** What is held stays held. What is not with the kernel yet is lost: `flush` first. */
  close(): void {
    this.#end(lost('the connection to it was closed'));
  }

  #expectAnswer(): void {
    // A hung keeper would else leave its caller waiting for good.
    this.#watch ??= setTimeout(() => this.#lose('the keeper does not answer'), STALLED_MS);
  }

  #listed(items: Held[]): void {
    this.#lists.shift()?.resolve(items);
    if (this.#watch !== null) clearTimeout(this.#watch);
    this.#watch = null;
    if (this.#lists.length > 0 || this.#quitting !== null) this.#expectAnswer();
  }

  #refuse(key: string, reason: string): void {
    if (!this.#connected) return;
    this.#log.warn({ key, reason }, 'the keeper does not hold this');
    this.onRefused?.(key);
  }

  #ended(reason: string): void {
    const quitting = this.#quitting;
    if (quitting === null) {
      this.#lose(reason);
      return;
    }
    this.#quitting = null;
    this.#end(lost(reason));
    quitting.resolve();
  }

  #lose(reason: string): void {
    if (!this.#connected) return;
    const expected = this.#quitting !== null;
    this.#end(lost(reason));
    this.#log.warn({ reason }, 'the connection to the keeper is lost');
    if (!expected) this.onLost?.(reason);
  }

  #end(error: IluvatarError): void {
    if (!this.#connected) return;
    this.#connected = false;
    if (this.#watch !== null) clearTimeout(this.#watch);
    this.#client.close();
    this.#outbox.close(error);
    for (const waiting of this.#lists.splice(0)) waiting.reject(error);
    this.#quitting?.reject(error);
    this.#quitting = null;
  }
}

function lost(reason: string): IluvatarError {
  return new IluvatarError('unavailable', `the keeper: ${reason}`);
}

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException | null)?.code ?? '';
}
