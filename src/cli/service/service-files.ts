import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { IluvatarError } from '../../core/errors.js';

/** Unit files on disk, and what systemd is told when they come and go. */

const UNIT_FOLDER = '/etc/systemd/system';
/** There while systemd is process 1. */
const SYSTEMD_RUNS = '/run/systemd/system';

const run = promisify(execFile);

export class ServiceFiles {
  readonly #root: string;

  /** `root`: '/' for this machine; anything else is a package or an image in the making, and no running systemd is touched. */
  constructor(root: string) {
    this.#root = root;
  }

  get isThisMachine(): boolean {
    return this.#root === '/';
  }

  /** Whether there is a systemd to be told. */
  get systemdRuns(): boolean {
    return this.isThisMachine && existsSync(SYSTEMD_RUNS);
  }

  unitPath(name: string): string {
    return join(this.#root, UNIT_FOLDER, name);
  }

  /** Replaces the file as a whole, so that systemd never reads a half. Throws `unavailable`. */
  write(path: string, text: string): void {
    try {
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(`${path}.new`, text, { mode: 0o644 });
      renameSync(`${path}.new`, path);
    } catch (error) {
      throw new IluvatarError('unavailable', `${path} cannot be written: ${(error as Error).message}`);
    }
  }

  /** What it had to be told is in force below its root. True: it was there. Throws `unavailable`. */
  remove(path: string): boolean {
    if (!existsSync(path)) return false;
    try {
      rmSync(path);
      return true;
    } catch (error) {
      throw new IluvatarError('unavailable', `${path} cannot be removed: ${(error as Error).message}`);
    }
  }

  configPath(path: string): string {
    return join(this.#root, path);
  }

  /** Rejects with `unavailable` and what systemctl said. */
  async systemctl(...args: string[]): Promise<void> {
    try {
      await run('systemctl', args);
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: string };
      throw new IluvatarError('unavailable', `systemctl ${args.join(' ')} failed: ${(stderr || message).trim()}`);
    }
  }
}
