import { closeSync, mkdirSync, openSync, write, writeSync } from 'node:fs';
import { dirname } from 'node:path';

/**
 * Where pino's lines go: appended to a file in batches, one asynchronous write at a time. It takes the place of pino's own destination, which never closes when it is
 * ended while reopening behind a write: a worker told to rotate its log and then to stop would hang.
 *
 * Lines wait for the end of the loop iteration, so a process that says why it ends and then exits finds nothing in flight and writes it all in the exit hook.
 */

const STANDARD_ERROR = 2;
/** A disk that has stalled must not fill the memory: beyond this, lines are lost and counted. */
const MAX_PENDING_BYTES = 16 * 1024 * 1024;
const BUSY_RETRY_MS = 5;
const BUSY_RETRIES = 200;

export class LogFile {
  readonly #path: string | null;
  #fd: number;
  #lines: string[] = [];
  #pendingBytes = 0;
  #lost = 0;
  #writing = false;
  #scheduled = false;
  /** Opened by `reopen` while a write to the old one is in flight. */
  #nextFd: number | null = null;
  #closed: (() => void) | null = null;
  #closing: Promise<void> | null = null;
  #failure: string | null = null;
  readonly #onExit = (): void => this.flushSync();

  /** Null = standard error. Throws the system's error when the file cannot be opened. */
  constructor(path: string | null) {
    this.#path = path;
    this.#fd = path === null ? STANDARD_ERROR : open(path);
    process.on('exit', this.#onExit);
  }

  /** Why the last lines could not be written; null = they could. */
  get failure(): string | null {
    return this.#failure;
  }

  /** pino's end: one line with its newline. */
  write(line: string): void {
    if (this.#closing !== null) return;
    if (this.#pendingBytes > MAX_PENDING_BYTES) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#pendingBytes += line.length;
    this.#schedule();
  }

  /** Opens the path again, for a rotated file; earlier lines may still go to the old one. Throws when it cannot, and goes on with the old one. */
  reopen(): void {
    if (this.#path === null || this.#closing !== null) return;
    const fd = open(this.#path);
    if (this.#nextFd !== null) closeSync(this.#nextFd);
    this.#nextFd = fd;
    if (!this.#writing) this.#switchFile();
  }

  /** Writes what waits now, blocking. What is in flight already is left to the system. */
  flushSync(): void {
    if (this.#closing !== null && this.#lines.length === 0) return;
    let bytes = this.#take();
    for (let busy = 0; bytes.length > 0 && busy < BUSY_RETRIES; ) {
      try {
        bytes = bytes.subarray(writeSync(this.#fd, bytes));
      } catch (error) {
        if (!isBusy(error)) {
          this.#complain(error as Error);
          return;
        }
        busy++;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, BUSY_RETRY_MS);
      }
    }
  }

  /** Resolves when everything is written and the file closed; standard error stays open. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#closed = resolve;
      if (!this.#writing) this.#next();
    });
    return this.#closing;
  }

  #schedule(): void {
    if (this.#scheduled || this.#writing) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (!this.#writing) this.#next();
    });
  }

  #next(): void {
    if (this.#nextFd !== null) this.#switchFile();
    const bytes = this.#take();
    if (bytes.length > 0) {
      this.#writing = true;
      this.#writeAll(bytes);
    } else if (this.#closed !== null) {
      this.#finish(this.#closed);
    }
  }

  #writeAll(bytes: Buffer): void {
    write(this.#fd, bytes, 0, bytes.length, null, (error, written) => {
      if (error !== null && isBusy(error)) {
        setTimeout(() => this.#writeAll(bytes), BUSY_RETRY_MS);
      } else if (error === null && written < bytes.length) {
        this.#writeAll(bytes.subarray(written));
      } else {
        if (error === null) this.#failure = null;
        else this.#complain(error);
        this.#writing = false;
        this.#next();
      }
    });
  }

  #take(): Buffer {
    if (this.#lost > 0) {
      const fields = {
        level: 'warn',
        time: new Date().toISOString(),
        lines: this.#lost,
        msg: 'lines of the log were lost',
      };
      this.#lines.push(`${JSON.stringify(fields)}\n`);
      this.#lost = 0;
    }
    const bytes = Buffer.from(this.#lines.join(''), 'utf8');
    this.#lines = [];
    this.#pendingBytes = 0;
    return bytes;
  }

  #switchFile(): void {
    closeSync(this.#fd);
    this.#fd = this.#nextFd as number;
    this.#nextFd = null;
  }

  #finish(resolve: () => void): void {
    this.#closed = null;
    process.off('exit', this.#onExit);
    if (this.#path !== null) closeSync(this.#fd);
    resolve();
  }

  /** Once until it works again: a full disk must neither end the worker nor flood standard error. */
  #complain(error: Error): void {
    if (this.#failure === null && this.#path !== null) {
      process.stderr.write(`the log ${this.#path} cannot be written: ${error.message}\n`);
    }
    this.#failure = error.message;
  }
}

function open(path: string): number {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  return openSync(path, 'a', 0o600);
}

function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}
