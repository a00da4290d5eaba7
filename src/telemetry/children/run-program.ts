import { findProgram } from './find-program.js';
import { killGroup, spawnWithUs } from './spawn-with-us.js';

/** A program that answers once and ends, such as `ipmitool`: killed, with all that it started, when it takes too long or `signal` says so. */
export interface RunOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

export interface ProgramResult {
  /** `failed`: it ended with another code than 0, or was killed. */
  readonly ended: 'well' | 'failed' | 'missing' | 'forbidden' | 'late';
  readonly stdout: string;
  readonly stderr: string;
}

/** What was killed, or has ended, and still does not close its output: it waits inside a driver, or left its output to another. It is not waited for. */
const LET_GO_MS = 500;
const MOST_OUTPUT_CHARACTERS = 1024 * 1024;

/** Never rejects; resolves when the program has ended, or half a second after it was killed. */
export function runProgram(program: string, args: readonly string[], options: RunOptions): Promise<ProgramResult> {
  const found = findProgram(program);
  if ('lacks' in found) return Promise.resolve({ ended: found.lacks, stdout: '', stderr: '' });
  const { timeoutMs, signal } = options;
  return new Promise((resolve) => {
    const child = spawnWithUs(found.file, args);
    const said = { stdout: '', stderr: '' };
    let late = false;
    let letGo: NodeJS.Timeout | null = null;
    child.stdout.on('data', (chunk: Buffer) => {
      said.stdout = (said.stdout + chunk.toString('utf8')).slice(0, MOST_OUTPUT_CHARACTERS);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      said.stderr = (said.stderr + chunk.toString('utf8')).slice(0, MOST_OUTPUT_CHARACTERS);
    });
    const kill = (): void => {
      killGroup(child, 'SIGKILL');
      letGo ??= setTimeout(() => {
        child.stdout.destroy();
        child.stderr.destroy();
        child.unref();
        end(child.exitCode === 0 ? 'well' : 'failed');
      }, LET_GO_MS);
    };
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, timeoutMs);
    signal?.addEventListener('abort', kill, { once: true });
    if (signal?.aborted === true) kill();
    const end = (ended: ProgramResult['ended']): void => {
      clearTimeout(timer);
      if (letGo !== null) clearTimeout(letGo);
      signal?.removeEventListener('abort', kill);
      resolve({ ended: late ? 'late' : ended, ...said });
    };
    child.on('error', (error) => {
      said.stderr += error.message;
      if (child.pid === undefined) end('failed');
    });
    // What it left behind holds its output open: 'close' would not come.
    child.on('exit', kill);
    child.on('close', (code) => end(code === 0 ? 'well' : 'failed'));
  });
}
