import type { NativeKeeperClient, NativeSystem } from '../native.js';

/**
 * What is on its way to the keeper, in the order in which it was said. Most of it goes to the kernel at once; what the kernel does not take waits here,
 * with copies of its descriptors, since their owner may close them meanwhile.
 */

/** Milliseconds between attempts, growing. */
const PAUSES_MS = [1, 2, 5];

const GONE = ['EPIPE', 'ECONNRESET', 'ENOTCONN'];

export interface OutboxOptions {
  client: NativeKeeperClient;
  /** For copies of descriptors. */
  system: Pick<NativeSystem, 'duplicate' | 'close'>;
  stalledMs: number;
  /** Nothing is held under this key. Never called from within `hold`, as the others are not. */
  onRefused(key: string, reason: string): void;
  /** The keeper has gone. */
  onBroken(reason: string): void;
  /** The kernel has taken nothing for `stalledMs`: the keeper hangs. */
  onStalled(): void;
}

interface Waiting {
  /** True = the kernel has it. */
  send(): boolean;
  /** Whose hold it is; null = it is none. */
  key: string | null;
  /** Copies, to close once it is sent or given up. */
  fds: readonly number[];
}

interface Flushing {
  resolve(): void;
  reject(error: Error): void;
}

export class Outbox {
  readonly #options: OutboxOptions;
  #queue: Waiting[] = [];
  #flushing: Flushing[] = [];
  #timer: NodeJS.Timeout | null = null;
  #attempts = 0;
  /** When the kernel last took something, or the queue began. */
  #progressMs = 0;
  #closed = false;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  hold(key: string, text: string, fds: readonly number[]): void {
    const { client } = this.#options;
    if (this.#queue.length === 0) {
      const message: Waiting = { send: () => client.hold(key, text, fds), key, fds: [] };
      if (this.#try(message)) return;
      // Refused, and not even the drop in its place would go.
      if (message.key === null) {
        this.#wait(message);
        return;
      }
    }
    const copies: number[] = [];
    try {
      for (const fd of fds) copies.push(this.#options.system.duplicate(fd));
    } catch (error) {
      this.#close(copies);
      this.#refuse(key, error);
      this.drop(key);
      return;
    }
    this.#wait({ send: () => client.hold(key, text, copies), key, fds: copies });
  }

  drop(key: string): void {
    this.#say(() => this.#options.client.drop(key));
  }

  list(): void {
    this.#say(() => this.#options.client.list());
  }

  quit(): void {
    this.#say(() => this.#options.client.quit());
  }

  flush(): Promise<void> {
    if (this.#queue.length === 0) return Promise.resolve();
    // Whoever waits for it keeps the process alive; otherwise a keeper that hangs must not.
    this.#timer?.ref();
    return new Promise((resolve, reject) => this.#flushing.push({ resolve, reject }));
  }

  close(error: Error): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (const each of this.#queue.splice(0)) this.#close(each.fds);
    for (const each of this.#flushing.splice(0)) each.reject(error);
  }

  #say(send: () => boolean): void {
    const message: Waiting = { send, key: null, fds: [] };
    if (this.#queue.length > 0 || !this.#try(message)) this.#wait(message);
  }

  /** True = done with: sent, or given up. */
  #try(message: Waiting): boolean {
    try {
      return message.send();
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const { key } = message;
      if (code !== undefined && GONE.includes(code)) {
        this.#later(() => this.#options.onBroken(code));
        return true;
      }
      // Not even this can be said: then its key is none, and holds nothing.
      if (key === null) return true;
      this.#refuse(key, error);
      // In its place: what the key had was to be replaced, and what comes after it may hold it again.
      message.key = null;
      message.send = () => this.#options.client.drop(key);
      return this.#try(message);
    }
  }

  #refuse(key: string, error: unknown): void {
    this.#later(() => this.#options.onRefused(key, String(error)));
  }

  #later(tell: () => void): void {
    setImmediate(() => {
      if (!this.#closed) tell();
    });
  }

  #wait(message: Waiting): void {
    if (this.#queue.length === 0) this.#progressMs = performance.now();
    this.#queue.push(message);
    if (this.#timer === null) this.#schedule();
  }

  #schedule(): void {
    const pause = PAUSES_MS[Math.min(this.#attempts++, PAUSES_MS.length - 1)];
    this.#timer = setTimeout(() => this.#go(), pause);
    if (this.#flushing.length === 0) this.#timer.unref();
  }

  #go(): void {
    this.#timer = null;
    let sent = 0;
    for (const message of this.#queue) {
      if (!this.#try(message)) break;
      this.#close(message.fds);
      sent++;
    }
    if (sent > 0) {
      this.#queue = this.#queue.slice(sent);
      this.#attempts = 0;
      this.#progressMs = performance.now();
    }
    if (this.#queue.length === 0) {
      for (const each of this.#flushing.splice(0)) each.resolve();
    } else if (performance.now() - this.#progressMs > this.#options.stalledMs) {
      this.#options.onStalled();
    } else {
      this.#schedule();
    }
  }

  #close(copies: readonly number[]): void {
    for (const fd of copies) this.#options.system.close(fd);
  }
}
