import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** What private daemons of tests have in common: how they are ended, and how one finds what they leave. */

const END_LIMIT_MS = 15_000;

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

export async function eventually(holds: () => boolean): Promise<boolean> {
  for (let round = 0; round < 200 && !holds(); round++) await sleep(25);
  return holds();
}

/** Processes whose command names the folder: daemons, shims and what they start. */
export function processesWith(folder: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => read(`/proc/${pid}/cmdline`).includes(folder));
}

/** A shim and the container in it. */
export async function endTree(pid: number): Promise<void> {
  const children = read(`/proc/${pid}/task/${pid}/children`)
    .trim()
    .split(' ')
    .filter((text) => text !== '');
  for (const each of [...children.map(Number), pid]) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // Ended meanwhile.
    }
  }
  await eventually(() => !existsSync(`/proc/${pid}`));
}

/** Sockets of containerd's shims, which lie in one folder of the machine whoever started them. `state`: of that containerd. */
export function shimSockets(state: string): string[] {
  const tasks = join(state, 'io.containerd.runtime.v2.task');
  if (!existsSync(tasks)) return [];
  return readdirSync(tasks)
    .flatMap((namespace) => readdirSync(join(tasks, namespace)).map((id) => join(tasks, namespace, id, 'address')))
    .map((file) => read(file).replace(/^unix:\/\//, ''))
    .filter((path) => path.startsWith('/run/containerd/s/'));
}

export function mountsBelow(folder: string): string[] {
  return read('/proc/self/mounts')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
}

export function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
