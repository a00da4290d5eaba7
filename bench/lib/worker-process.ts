import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Client, connect, type WorkerConfigInput } from '../../src/index.js';
import { firstLine } from './child.js';

/** A built worker in a process of its own with a throw-away data folder, so that a bench measures what users run and nothing of its own. */
export interface WorkerProcess extends AsyncDisposable {
  readonly pid: number;
  readonly name: string;
  readonly socket: string;
  readonly httpUrl: string | null;
  /** host:port */
  readonly grpcAddress: string | null;
  readonly client: Client;
  stop(): Promise<void>;
}

const SERVE = fileURLToPath(new URL('./serve.mjs', import.meta.url));

let started = 0;

export async function startWorker(config: WorkerConfigInput = {}): Promise<WorkerProcess> {
  const dataDir = mkdtempSync(join(tmpdir(), 'iluvatar-bench-'));
  const name = `bench-${process.pid}-${started++}`;
  const full: WorkerConfigInput = { name, dataDir, ...config, http: { port: 0, ...config.http } };
  const child = spawn(process.execPath, [SERVE, JSON.stringify(full)], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    const { socket, httpUrl, grpcAddress } = JSON.parse(await firstLine(child, 'the worker')) as Announced;
    const client = await connect(socket);
    let stopping: Promise<void> | null = null;
    const stop = (): Promise<void> => {
      client.close();
      stopping ??= end(child, dataDir);
      return stopping;
    };
    return { pid: child.pid as number, name, socket, httpUrl, grpcAddress, client, stop, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await end(child, dataDir);
    throw error;
  }
}

interface Announced {
  socket: string;
  httpUrl: string | null;
  grpcAddress: string | null;
}

async function end(child: ChildProcess, dataDir: string): Promise<void> {
  const exited = new Promise<void>((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('exit', () => resolve());
  });
  child.kill('SIGTERM');
  await exited;
  rmSync(dataDir, { recursive: true, force: true });
}
