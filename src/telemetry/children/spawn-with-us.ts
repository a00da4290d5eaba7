import { type ChildProcessByStdio, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { nativeFile } from '../../native.js';

/**
 * Programs that are only there for us: the kernel kills one when the thread that started it ends, so that nothing is left behind a worker that dies. Each has a session of its own: a terminal's
 * Ctrl-C is for us, and what it starts itself can be ended with it.
 */
export type ChildWithUs = ChildProcessByStdio<null, Readable, Readable>;

/** `file`: its path. Numbers and dates in one language, whatever that of the user is. */
export function spawnWithUs(file: string, args: readonly string[], env: NodeJS.ProcessEnv = process.env): ChildWithUs {
  return spawn(nativeFile('iluvatar-init'), ['--with', String(process.pid), file, ...args], {
    env: { ...env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    cwd: '/',
  });
}

/** It and what it started; nothing happens when all of it has ended. */
export function killGroup(child: ChildWithUs, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended.
  }
}
