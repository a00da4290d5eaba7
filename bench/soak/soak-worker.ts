import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, connect, type WorkerConfigInput } from '../../src/index.js';
import { benchProgram } from '../lib/bench-program.js';
import { firstLine } from '../lib/child.js';

/** One size of the young generation: it would else grow with the load, and shrink when it likes. */
const NODE_FLAGS = ['--expose-gc', '--min-semi-space-size=4', '--max-semi-space-size=4'];
const COLLECT_LIMIT_MS = 60_000;

let started = 0;

/** A built worker in a process of its own whose garbage can be collected from here. */
export class SoakWorker implements AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  readonly client: Client;
  readonly #child: ChildProcess;

  private constructor(name: string, folder: string, child: ChildProcess, client: Client) {
    this.name = name;
    this.folder = folder;
    this.#child = child;
    this.client = client;
  }

  static async start(config: WorkerConfigInput = {}): Promise<SoakWorker> {
    const folder = mkdtempSync(join(tmpdir(), 'iluvatar-soak-'));
    const name = `soak-${process.pid}-${started++}`;
    const full = { name, dataDir: folder, http: { enabled: false }, ...config };
    const serve = await benchProgram('soak/serve');
    const args = [...NODE_FLAGS, serve, JSON.stringify(full), await benchProgram('soak/collecting-shard')];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await firstLine(child, 'the worker');
      return new SoakWorker(name, folder, child, await connect(join(folder, 'worker.sock')));
    } catch (error) {
      await end(child, folder);
      throw error;
    }
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get socket(): string {
    return join(this.folder, 'worker.sock');
  }

  /** Garbage of the main thread and of the shard. */
  async collect(): Promise<void> {
    const files = ['main', 'shard'].map((thread) => join(this.folder, `collect-${thread}`));
    for (const file of files) writeFileSync(file, '');
    const limit = performance.now() + COLLECT_LIMIT_MS;
    while (files.some((file) => existsSync(file))) {
      if (performance.now() > limit) throw new Error('the worker did not collect its garbage');
      await pause(100);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.client.close();
    await end(this.#child, this.folder);
  }
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  const exited = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
  child.stdin?.end();
  await exited;
  rmSync(folder, { recursive: true, force: true });
}
