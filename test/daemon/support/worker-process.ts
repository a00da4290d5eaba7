import { type ChildProcess, type StdioOptions, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, connect } from '../../../src/index.js';
import { iluvatar, type Ran } from '../../cli/run.js';

export const BIN = fileURLToPath(new URL('../../../bin/iluvatar.js', import.meta.url));
const READY_MS = 60_000;

/** Workers as processes of their own, in one throw-away folder, with a name of the test's own; all of it goes when it is disposed of. */
export class WorkerProcesses implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-daemon-'));
  readonly name: string;
  readonly env: Record<string, string>;
  readonly #running: RunningWorker[] = [];
  static #count = 0;

  constructor() {
    this.name = `daemon-${process.pid}-${WorkerProcesses.#count++}`;
    this.env = { ILUVATAR__NAME: this.name, ILUVATAR__DATA_DIR: join(this.folder, 'data'), ILUVATAR__HTTP__PORT: '0' };
  }

  get socket(): string {
    return join(this.folder, 'data/worker.sock');
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, text: string): string {
    const path = this.path(name);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
    return path;
  }

  /** Any command of `iluvatar` that ends by itself, with this folder's worker. */
  run(...args: string[]): Promise<Ran> {
    return iluvatar(args, { env: this.env });
  }

  client(): Promise<Client> {
    return connect(this.socket);
  }

  /** `command` runs the worker: `iluvatar worker` unless given. */
  spawn(
    args: readonly string[] = [],
    env: Record<string, string> = {},
    command: readonly string[] = [process.execPath, BIN, 'worker'],
    stdio: StdioOptions = ['ignore', 'pipe', 'pipe'],
  ): RunningWorker {
    const [program = '', ...before] = command;
    const child = spawn(program, [...before, ...args], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...this.env, ...env },
      stdio,
    });
    const worker = new RunningWorker(child);
    this.#running.push(worker);
    return worker;
  }

  /** Resolves when it says that it is ready. */
  async start(args: readonly string[] = [], env: Record<string, string> = {}): Promise<RunningWorker> {
    const worker = this.spawn(args, env);
    await worker.ready();
    return worker;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const worker of this.#running) worker.ask();
    // Left then are a daemon, which has a pid file for as long as it runs, and a process that has taken the place of one of these, and has its streams.
    const alive = this.#running.every(({ hasExited }) => hasExited) && existsSync(this.socket);
    if (alive || existsSync(this.path('data/worker.pid'))) await this.run('stop').catch(() => undefined);
    for (const worker of this.#running) await worker.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export class RunningWorker {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  stdout = '';
  stderr = '';
  #asked = false;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal })));
  }

  get pid(): number {
    return this.child.pid as number;
  }

  ready(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`not ready: ${this.stderr}`)), READY_MS);
      const look = (): void => {
        if (!this.stdout.includes('is ready')) return;
        clearTimeout(late);
        resolve();
      };
      this.child.stdout?.on('data', look);
      void this.ended.then(({ code }) => {
        clearTimeout(late);
        reject(new Error(`ended with ${code}: ${this.stderr}`));
      });
    });
  }

  get hasExited(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** To end: one that is killed cannot take its cgroups away, and neither can one that is asked twice. */
  ask(): void {
    if (!this.hasExited && !this.#asked) this.child.kill('SIGTERM');
    this.#asked = true;
  }

  async end(): Promise<void> {
    this.ask();
    const late = setTimeout(() => this.child.kill('SIGKILL'), 40_000);
    await this.ended;
    clearTimeout(late);
  }
}
