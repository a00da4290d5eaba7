import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { IluvatarError } from '../../core/errors.js';
import { describeError, toError } from '../../worker/shard-messages.js';
import type { Worker } from '../../worker/worker.js';

/**
 * `iluvatar worker --daemon`: the same command line once more, in a session of its own, behind this process, which stays until the other serves or has failed. So what a shell or
 * an init script sees of a start in the background is what it would see of one in the foreground: how it went, and why it did not.
 */

export interface Started {
  name: string;
  pid: number;
  socket: string;
  http: string | null;
  grpc: string | null;
}

/** What the process in the background says to the one that waits, once. */
type Report = { started: Started; notes: string[] } | { failed: ReturnType<typeof describeError> };

/** Never on the command line of a user. */
export const DETACHED_FLAG = '--detached';

/** `errorFile`: where what the process writes to its standard error goes: what the log cannot hold, such as the last words of a crash. Rejects as the worker's start does. */
export async function startDetached(
  argv: readonly string[],
  errorFile: string,
): Promise<{ started: Started; notes: string[] }> {
  const fd = openErrors(errorFile);
  const [program = '', script = '', ...args] = argv;
  const given = args.map((arg) => (arg === '--daemon' ? DETACHED_FLAG : arg));
  const child = spawn(program, [...process.execArgv, script, ...given], {
    detached: true,
    stdio: ['ignore', fd, fd, 'ipc'],
  });
  closeSync(fd);
  // Who gives up waiting does not want a worker that nobody knows of.
  const giveUp = (signal: NodeJS.Signals): void => void child.kill(signal);
  process.once('SIGINT', giveUp).once('SIGTERM', giveUp);
  const report = await new Promise<Report>((resolve, reject) => {
    child.once('message', (message) => resolve(message as Report));
    child.once('error', reject);
    child.once('exit', (code, signal) => reject(ended(code, signal, errorFile)));
  });
  process.off('SIGINT', giveUp).off('SIGTERM', giveUp);
  child.removeAllListeners('exit');
  if (child.connected) child.disconnect();
  child.unref();
  if ('started' in report) return report;
  throw toError(report.failed);
}

/** In the process in the background: it serves. */
export async function reportStarted(worker: Worker, notes: string[]): Promise<void> {
  await report({ started: describeStart(worker), notes });
}

/** In the process in the background: it cannot start. False: nobody waits for it. */
export async function reportFailed(error: unknown): Promise<boolean> {
  if (process.send === undefined || !(error instanceof IluvatarError)) return false;
  await report({ failed: describeError(error) });
  return true;
}

export function describeStart(worker: Worker): Started {
  const { config, socketPath: socket, httpUrl: http, grpcAddress: grpc } = worker;
  return { name: config.name, pid: process.pid, socket, http, grpc };
}

function report(message: Report): Promise<void> {
  return new Promise((resolve) => {
    // One that no longer waits is no reason to end: the worker serves.
    process.send?.(message, undefined, undefined, () => {
      if (process.connected) process.disconnect();
      resolve();
    });
  });
}

function openErrors(file: string): number {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return openSync(file, 'w', 0o600);
  } catch (error) {
    throw new IluvatarError('unavailable', `the file ${file} cannot be written: ${(error as Error).message}`);
  }
}

function ended(code: number | null, signal: NodeJS.Signals | null, errorFile: string): IluvatarError {
  const how = signal === null ? `with exit code ${code}` : `by ${signal}`;
  const words = readFileSync(errorFile, 'utf8').trim().split('\n').slice(-20).join('\n');
  return new IluvatarError('unavailable', `the worker ended ${how} before it was ready (${errorFile}): ${words}`);
}
