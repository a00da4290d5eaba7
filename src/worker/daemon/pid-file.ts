import {
  closeSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import { native } from '../../native.js';

/**
 * A file with a process id in it, locked for as long as the process lives. The lock, not the number, says whether somebody is there: the kernel takes it away with the
 * process, however that ends, and the number may be another process's by then.
 */
export class PidFile {
  readonly #path: string;
  readonly #fd: number;

  private constructor(path: string, fd: number) {
    this.#path = path;
    this.#fd = fd;
  }

  /** Throws IluvatarError: `conflict`, with its pid, when another process has it; `unavailable` when it cannot be written. One that a dead process left is taken over. */
  static take(path: string): PidFile {
    try {
      mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
      for (;;) {
        const fd = openSync(path, 'a+', 0o644);
        if (!native().system.lockFile(fd)) {
          closeSync(fd);
          throw new IluvatarError('conflict', `a worker runs already, as process ${pidIn(path) ?? '?'} (${path})`);
        }
        if (isAt(path, fd)) {
          ftruncateSync(fd);
          writeSync(fd, `${process.pid}\n`);
          return new PidFile(path, fd);
        }
        // Its owner removed it between our opening and our lock: the name is another file's now, or nobody's.
        closeSync(fd);
      }
    } catch (error) {
      if (error instanceof IluvatarError) throw error;
      throw new IluvatarError('unavailable', `the pid file ${path} cannot be taken: ${(error as Error).message}`);
    }
  }

  release(): void {
    // Under the lock, so that nobody else's file goes.
    if (isAt(this.#path, this.#fd)) unlinkSync(this.#path);
    closeSync(this.#fd);
  }
}

/** Of the process that holds the file now; null = none does. */
export function runningPid(path: string): number | null {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new IluvatarError('unavailable', `the pid file ${path} cannot be read: ${(error as Error).message}`);
  }
  try {
    return native().system.lockFile(fd) ? null : pidIn(path);
  } finally {
    closeSync(fd);
  }
}

function pidIn(path: string): number | null {
  try {
    const pid = Number(readFileSync(path, 'utf8').trim());
    return Number.isSafeInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}

function isAt(path: string, fd: number): boolean {
  try {
    const { dev, ino } = statSync(path);
    const open = fstatSync(fd);
    return open.dev === dev && open.ino === ino;
  } catch {
    return false;
  }
}
