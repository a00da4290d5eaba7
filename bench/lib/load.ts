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

/** Each client sends its next request when the last is answered. Throws when an answer was an error. */
export async function load(socket: string, clients: number, seconds: number): Promise<LoadFigures> {
  const meta = JSON.stringify({ function: 'noop', version: '1' });
  const args = [
    '--socket',
    socket,
    '--clients',
    `${clients}`,
    '--seconds',
    `${seconds}`,
    '--meta',
    meta,
    '--body',
    '{}',
  ];
  const { stdout } = await run(floorProgram('load'), [...args, '--warmup', `${clients * 20}`]);
  const figures = JSON.parse(stdout) as LoadFigures;
  if (figures.errors > 0) throw new Error(`${figures.errors} of ${figures.requests} invocations failed`);
  return figures;
}
