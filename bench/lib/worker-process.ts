import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Client, connect, type WorkerConfigInput } from '../../src/index.js';

/** A built worker in a process of its own with a throw-away data folder, so that a bench measures what users run and nothing of its own. */
export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly socket: string;
  readonly httpUrl: string | null;
  readonly client: Client;
  stop(): Promise<void>;
}

const SERVE = fileURLToPath(new URL('./serve.mjs', import.meta.url));

let started = 0;

export async function startWorker(config: WorkerConfigInput = {}): Promise<WorkerProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), 'iluvatar-bench-'));
  const name = `bench-${process.pid}-${started++}`;
  const full: WorkerConfigInput = { name, dataDir, ...config, http: { port: 0, ...config.http } };
  const child = spawn(process.execPath, [SERVE, JSON.stringify(full)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { socket, httpUrl } = await announced(child);
  const client = await connect(socket);
  let stopping: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    stopping ??= end(child, client, dataDir);
    return stopping;
  };
  return { pid: child.pid as number, socket, httpUrl, client, stop, [Symbol.asyncDispose]: stop };
}

async function announced(child: ChildProcess): Promise<{ socket: string; httpUrl: string | null }> {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  return await new Promise((resolve, reject) => {
    lines.once('line', (line) => resolve(JSON.parse(line)));
    child.once('exit', (code) => reject(new Error(`the worker ended with ${code} before it listened`)));
  });
}

async function end(child: ChildProcess, client: Client, dataDir: string): Promise<void> {
  await client.close();
  const exited = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  await exited;
  rmSync(dataDir, { recursive: true, force: true });
}
