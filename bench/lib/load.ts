import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { floorProgram } from './floor.js';

/** What the closed-loop C client measured. Times in µs, throughput in invocations a second. */
export interface LoadFigures {
  requests: number;
  errors: number;
  seconds: number;
  throughput: number;
  p50Us: number;
  p90Us: number;
  p99Us: number;
  maxUs: number;
}

const run = promisify(execFile);

const META = JSON.stringify({ function: 'noop', version: '1' });

/** Each client sends its next request when the last is answered. Throws when an answer was an error. */
export function load(socket: string, clients: number, seconds: number): Promise<LoadFigures> {
  return measure(socket, clients, ['--seconds', `${seconds}`]);
}

/** As `load`, for a number of requests. `answered` is all that the server did for it, warm-up included. */
export async function loadRequests(
  socket: string,
  clients: number,
  requests: number,
): Promise<LoadFigures & { answered: number }> {
  const figures = await measure(socket, clients, ['--requests', `${requests}`]);
  return { ...figures, answered: figures.requests + warmUp(clients) };
}

async function measure(socket: string, clients: number, until: readonly string[]): Promise<LoadFigures> {
  const what = ['--socket', socket, '--meta', META, '--body', '{}'];
  const how = ['--clients', `${clients}`, '--warmup', `${warmUp(clients)}`, ...until];
  const { stdout } = await run(floorProgram('load'), [...what, ...how]);
  const figures = JSON.parse(stdout) as LoadFigures;
  if (figures.errors > 0) throw new Error(`${figures.errors} of ${figures.requests} invocations failed`);
  return figures;
}

function warmUp(clients: number): number {
  return clients * 20;
}
