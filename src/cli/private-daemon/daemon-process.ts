import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** The process of a private daemon: how it is started, waited for and ended. */

const START_LIMIT_MS = 30_000;
const END_LIMIT_MS = 15_000;
/** Where daemons are, which an ordinary user's PATH often leaves out. */
const SBIN = '/usr/local/sbin:/usr/sbin:/sbin';

/** Its output goes to `<folder>/<program>.log`. It is not of the terminal's process group: Ctrl-C is for whoever started it to hear. */
export function spawnDaemon(program: string, args: readonly string[], folder: string): ChildProcess {
  const log = openSync(logOf(program, folder), 'a');
  const env = { ...process.env, PATH: `${process.env.PATH ?? ''}:${SBIN}` };
  // The folder is where it would put what has no option: fifos, the address of its containerd.
  const child = spawn(program, args, { stdio: ['ignore', log, log], cwd: folder, detached: true, env });
  closeSync(log);
  child.once('error', () => undefined);
  return child;
}

/** Resolves once `answers` holds. Rejects with an Error that has the end of its log when it ended or took too long. */
export async function answering(child: ChildProcess, folder: string, answers: () => Promise<boolean>): Promise<void> {
  const limit = Date.now() + START_LIMIT_MS;
  while (!(await answers())) {
    if (hasEnded(child) || Date.now() > limit) {
      const program = child.spawnfile;
      const log = readFileSync(logOf(program, folder), 'utf8').trim().split('\n').slice(-8);
      const why = child.pid === undefined ? `there is no program "${program}"` : log.join('\n');
      throw new Error(`${program} did not start:\n${why}`);
    }
    await sleep(25);
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null;
}

/** Resolves when it is gone; SIGKILL after a while. */
export async function end(child: ChildProcess | null, signal: NodeJS.Signals): Promise<void> {
  if (child === null || hasEnded(child)) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  const late = setTimeout(() => child.kill('SIGKILL'), END_LIMIT_MS);
  await ended;
  clearTimeout(late);
}

function logOf(program: string, folder: string): string {
  return join(folder, `${basename(program)}.log`);
}
