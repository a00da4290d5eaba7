import { type ChildProcess, fork } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, type WorkerConfigInput } from '../../src/index.js';
import { loadRequests } from './load.js';
import { NO_OP } from './relay.js';

/** Counted with async_hooks in the worker's process, whose clients are in another: all of it is the worker's own. */
export interface HopCounts {
  promises: number;
  /** Runs of what waits for a promise. */
  continuations: number;
  microtasks: number;
  /** `process.nextTick` and what Node itself queues there. */
  ticks: number;
}

/** Per request, and where the most frequent promises were made. */
export interface Hops {
  each: HopCounts;
  places: string[];
}

export interface HopWorker extends AsyncDisposable {
  /** Counts while `requests` warm invocations are served to `clients`. */
  count(requests: number, clients: number): Promise<Hops>;
  /** The same for control calls, one after the other: they do make promises, so this shows that the counting works. */
  countCalls(calls: number): Promise<Hops>;
}

export interface HopWorkerOptions {
  /** The library's index: built, or source with a loader in `execArgv`. */
  entry: string;
  execArgv?: string[];
  config?: WorkerConfigInput;
}

const PROGRAM = fileURLToPath(new URL('./hops-worker.mjs', import.meta.url));

let started = 0;

export async function startHopWorker({ entry, execArgv = [], config = {} }: HopWorkerOptions): Promise<HopWorker> {
  const folder = mkdtempSync(join(tmpdir(), 'iluvatar-bench-hops-'));
  const source = join(folder, 'noop');
  mkdirSync(source);
  writeFileSync(join(source, 'main.py'), NO_OP);
  const full: WorkerConfigInput = {
    name: `hops-${process.pid}-${started++}`,
    dataDir: join(folder, 'data'),
    ...config,
    http: { enabled: false, ...config.http },
  };
  const child = fork(PROGRAM, [entry, JSON.stringify(full), source], {
    execArgv,
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const dispose = async (): Promise<void> => {
    await ended(child);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const { socket } = (await message(child)) as { socket: string };
    return {
      async count(requests, clients) {
        // Not only the load's own warm-up: what is compiled or measured once must be over before counting begins.
        await loadRequests(socket, clients, requests);
        return await counted(child, async () => (await loadRequests(socket, clients, requests)).answered);
      },
      async countCalls(calls) {
        await using client = await connect(socket);
        return await counted(child, async () => {
          for (let i = 0; i < calls; i++) await client.status();
          return calls;
        });
      },
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/** What `work` made the worker do, divided by the number of requests that it says it made. */
async function counted(child: ChildProcess, work: () => Promise<number>): Promise<Hops> {
  child.send('start');
  await message(child);
  const requests = await work();
  child.send('stop');
  const { counts, places } = (await message(child)) as { counts: HopCounts; places: string[] };
  const { promises, continuations, microtasks, ticks } = counts;
  const each = {
    promises: promises / requests,
    continuations: continuations / requests,
    microtasks: microtasks / requests,
    ticks: ticks / requests,
  };
  return { each, places };
}

function message(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const exited = (code: number | null): void => reject(new Error(`the counting worker ended with ${code}`));
    child.once('exit', exited);
    child.once('message', (value) => {
      child.off('exit', exited);
      resolve(value);
    });
  });
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill('SIGTERM');
  await exited;
}
