import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

const SCRIPT = fileURLToPath(new URL('./activate.py', import.meta.url));
const POLL = { timeout: 50_000, interval: 50 };

/** Holds listening sockets and starts a worker with them, again and again: systemd's part of socket activation (activate.py). */
export class Activator implements AsyncDisposable {
  /** "127.0.0.1:port" of each that is no unix socket. */
  addresses: string[] = [];
  readonly pids: number[] = [];
  /** Exit codes, in order; below 0 = a signal. */
  readonly codes: number[] = [];
  stderr = '';
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** `sockets`: "name=address". */
  static async hold(sockets: string[], command: string[], env: Record<string, string>): Promise<Activator> {
    const child = spawn('python3', [SCRIPT, ...sockets, '--', ...command], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const activator = new Activator(child);
    let holds = false;
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      activator.stderr += text;
    });
    createInterface(child.stdout).on('line', (line) => {
      const said = JSON.parse(line) as { listening?: string[]; started?: number; ended?: number };
      if (said.listening !== undefined) activator.addresses = said.listening;
      if (said.started !== undefined) activator.pids.push(said.started);
      if (said.ended !== undefined) activator.codes.push(said.ended);
      holds = true;
    });
    await expect.poll(() => holds || activator.stderr, POLL).toBe(true);
    return activator;
  }

  async start(): Promise<void> {
    const count = this.pids.length;
    this.#process.stdin?.write('start\n');
    await expect.poll(() => this.pids.length, POLL).toBe(count + 1);
  }

  /** SIGTERM to the one started last; resolves with its exit code. */
  async stop(): Promise<number> {
    process.kill(this.pids.at(-1) as number, 'SIGTERM');
    return await this.ended();
  }

  async ended(): Promise<number> {
    await expect.poll(() => this.codes.length, POLL).toBe(this.pids.length);
    return this.codes.at(-1) as number;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.codes.length < this.pids.length) await this.stop();
    this.#process.kill('SIGKILL');
  }
}
