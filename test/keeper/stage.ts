import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Held, Keeper } from '../../src/keeper/keeper.js';
import { native } from '../../src/native.js';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** What the code of a child, or of a thread, begins with: the addon, a client without a word to say, and a way to tell the test something. */
const PRELUDE = `
  const { keeper } = require('node-gyp-build')(${JSON.stringify(root)});
  const { openSync, closeSync, fstatSync } = require('node:fs');
  const silent = { onFull() {}, onListed() {}, onEnd() {} };
  const say = (value) => require('node:fs').writeSync(1, JSON.stringify(value) + '\\n');
`;

export class Child {
  readonly process: ChildProcess;
  readonly ended: Promise<void>;
  readonly #lines: AsyncIterator<string>;

  constructor(code: string) {
    // Descriptor 3 is one end of a pair of sockets, whose other end is `pair`.
    this.process = spawn(process.execPath, ['-e', PRELUDE + code], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit', 'pipe'],
    });
    this.ended = new Promise((resolve) => this.process.once('exit', () => resolve()));
    this.#lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  }

  /** The next value that it says. Rejects when it ends without one. */
  async said(): Promise<unknown> {
    const line = await this.#lines.next();
    if (line.done === true) throw new Error('the child has ended');
    return JSON.parse(line.value);
  }

  signal(name: NodeJS.Signals): void {
    this.process.kill(name);
  }

  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.ended;
  }
}

/** A folder for a keeper's socket, and everything that a test starts around it; all of it ends with `dispose`. */
export class Stage {
  readonly folder = mkdtempSync(join(tmpdir(), 'ilu-keeper-'));
  readonly path = join(this.folder, 'keeper.sock');
  readonly warnings: string[] = [];
  readonly #keepers: Keeper[] = [];
  readonly #children: Child[] = [];
  readonly #files: number[] = [];

  async open(graceMs = 60_000): Promise<Keeper> {
    const log = { warn: (_fields: unknown, message: string) => this.warnings.push(message) };
    const keeper = await Keeper.open({ path: this.path, graceMs, log });
    this.#keepers.push(keeper);
    return keeper;
  }

  child(code: string): Child {
    const child = new Child(code);
    this.#children.push(child);
    return child;
  }

  /** An open file of no meaning. */
  file(): number {
    const fd = openSync('/dev/null', 'r');
    this.#files.push(fd);
    return fd;
  }

  /** Of the keepers that serve, or served, this path. */
  pids(): number[] {
    const found: number[] = [];
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      try {
        const [program, ...rest] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        if (program?.endsWith('/iluvatar-keeper') === true && rest.includes(this.path)) found.push(Number(pid));
      } catch {
        // Ended meanwhile.
      }
    }
    return found;
  }

  async gone(): Promise<void> {
    while (this.pids().length > 0) await sleep(20);
  }

  async dispose(): Promise<void> {
    for (const keeper of this.#keepers) keeper.close();
    for (const child of this.#children) await child.kill();
    for (const pid of this.pids()) process.kill(pid, 'SIGKILL');
    await this.gone();
    for (const fd of this.#files) closeSync(fd);
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Closes what was listed, and returns it as `key=text+descriptors`. */
export function describeHeld(held: readonly Held[]): string[] {
  return held.map(({ key, text, fds }) => {
    for (const fd of fds) native().system.close(fd);
    return `${key}=${text}+${fds.length}`;
  });
}

/** The same open file, or another one of the same inode. */
export function inodeOf(fd: number): bigint {
  return fstatSync(fd, { bigint: true }).ino;
}
