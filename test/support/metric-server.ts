import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { answering, end, spawnDaemon } from '../../src/cli/private-daemon/daemon-process.js';

/** A server for metrics of the test's own: throw-away folder, ports of its own, ended with the test. It can be killed, and started again with what it had. */
export abstract class MetricServer implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'iluvatar-test-metrics-'));
  #processes: ChildProcess[] = [];

  /** Starts its programs; resolves when all answer. */
  protected abstract launch(): Promise<void>;

  protected async run(program: string, args: readonly string[], answers: () => Promise<boolean>): Promise<void> {
    const child = spawnDaemon(program, args, this.folder);
    this.#processes.push(child);
    await answering(child, this.folder, answers);
  }

  protected file(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  protected path(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** First, and again after `kill`. */
  async start(): Promise<this> {
    try {
      await this.launch();
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
    return this;
  }

  /** As a crash. */
  async kill(): Promise<void> {
    await Promise.all(this.#processes.splice(0).map((child) => end(child, 'SIGKILL')));
  }

  /** They stand still, and the kernel goes on taking connections for them: a server that is slow beyond measure. */
  freeze(signal: 'SIGSTOP' | 'SIGCONT'): void {
    for (const child of this.#processes) child.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export async function getsAnswer(url: string): Promise<boolean> {
  try {
    const response = await fetch(url);
    await response.arrayBuffer();
    return response.status < 500;
  } catch {
    return false;
  }
}
