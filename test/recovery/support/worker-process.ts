import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, connect, type WorkerConfigInput } from '../../../src/index.js';

/** A worker in a process of its own that can be killed and started again on the same data folder. Goes, with all that it left, when it is disposed of. */
export class WorkerProcess implements AsyncDisposable {
  static #count = 0;
  readonly folder: string;
  readonly name: string;
  readonly #config: WorkerConfigInput;
  #child: ChildProcess | null = null;
  #ended: Promise<string> = Promise.resolve('');

  constructor(config: WorkerConfigInput = {}, before: WorkerProcess | null = null) {
    this.#config = config;
    this.folder = before?.folder ?? mkdtempSync(join(tmpdir(), 'iluvatar-test-recovery-'));
    this.name = before?.name ?? `rec-${process.pid}-${WorkerProcess.#count++}`;
  }

  get dataDir(): string {
    return join(this.folder, 'data');
  }

  get socket(): string {
    return join(this.dataDir, 'worker.sock');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get configFile(): string {
    const path = join(this.folder, 'worker.json');
    const fixed = { name: this.name, dataDir: this.dataDir, http: { enabled: false }, drainMs: 2000 };
    writeFileSync(path, JSON.stringify({ ...fixed, ...this.#config }));
    return path;
  }

  /** Resolves when it is ready; rejects with how it ended when it ends before. */
  async start(env: Record<string, string> = {}): Promise<void> {
    const child = spawn(process.execPath, [BIN, 'worker', '--config', this.configFile], {
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    let output = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    this.#ended = new Promise((resolve) => {
      child.on('close', (code, signal) => resolve(`${signal ?? code}: ${output}`));
    });
    const ready = new Promise<'ready'>((resolve) => {
      child.stdout.on('data', (text: Buffer) => {
        if (text.includes('is ready')) resolve('ready');
      });
    });
    const first = await Promise.race([ready, this.#ended]);
    if (first !== 'ready') throw new Error(`the worker ended with ${first}`);
  }

  /** The next process of the same worker, configured otherwise. This one's is to be ended before. */
  withConfig(config: WorkerConfigInput): WorkerProcess {
    return new WorkerProcess(config, this);
  }

  /** Resolves with `<signal or code>: <standard error>` when it has ended by itself. */
  get ended(): Promise<string> {
    return this.#ended;
  }

  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#ended;
  }

  async stop(): Promise<void> {
    this.#child?.kill('SIGTERM');
    const late = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_LIMIT_MS);
    await this.#ended;
    clearTimeout(late);
  }

  /**
   * Stops; resolves with what is left. On a machine that is too slow for the limits within which a worker waits for its processes, something may be, which the next start
   * sweeps: so there are three tries. What a start does not find, no further one does.
   */
  async stopAndLook(): Promise<string[]> {
    for (let tries = 0; ; tries++) {
      await this.stop();
      const left = this.leftovers();
      if (left.length === 0 || tries === 2) return left;
      await this.start();
    }
  }

  async client<T>(use: (client: Client) => Promise<T>): Promise<T> {
    const client = await connect(this.socket);
    try {
      return await use(client);
    } finally {
      client.close();
    }
  }

  /** Writes a Python function and returns its folder. */
  source(name: string, main: string): string {
    const folder = join(this.folder, 'source', name);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'main.py'), main);
    return folder;
  }

  log(): string {
    try {
      return readFileSync(join(this.dataDir, 'log/worker.log'), 'utf8');
    } catch {
      return '';
    }
  }

  /** What carries its name on this machine: processes in its cgroups, cgroups, mounts. Read from /proc, without asking anybody. */
  leftovers(): string[] {
    return leftoversOf(this.name, this.folder);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    // One that a test left dead takes its cgroups away only by being started and stopped.
    if (this.leftovers().length > 0) {
      await this.start().catch(() => undefined);
      await this.stop();
    }
    rmSync(this.folder, { recursive: true, force: true });
  }
}

const STOP_LIMIT_MS = 120_000;

export const BIN = fileURLToPath(new URL('../../../bin/iluvatar.js', import.meta.url));

function leftoversOf(name: string, folder: string): string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    if (isIn(read(`/proc/${pid}/cgroup`), name))
      found.push(`process ${pid} ${read(`/proc/${pid}/cmdline`).slice(0, 80)}`);
  }
  for (const line of read('/proc/self/mounts').split('\n')) {
    const [, path = '', type = ''] = line.split(' ');
    if (path.startsWith(folder)) found.push(`mount ${path}`);
    if (type !== 'cgroup' && type !== 'cgroup2') continue;
    for (const entry of list(join(path, 'iluvatar')))
      if (isOf(entry, name)) found.push(`cgroup ${join(path, 'iluvatar', entry)}`);
  }
  return found;
}

function isIn(cgroups: string, name: string): boolean {
  return cgroups.split(/[/\n]/).some((part) => isOf(part, name));
}

/** `<worker>`, and `<worker>.<engine>`. */
function isOf(entry: string, name: string): boolean {
  return entry === name || entry.startsWith(`${name}.`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
