import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { firstLine } from './child.js';

/** A process that does nothing: the floor of a worker that has nothing to do (`node`), and of a container that waits (`python3 -S`). */
export interface IdleProcess extends AsyncDisposable {
  readonly pid: number;
}

export function startIdleNode(): Promise<IdleProcess> {
  // Waits for the end of its input, so that it cannot outlive the bench.
  const script = `process.stdin.resume(); process.stdin.once('close', () => process.exit(0)); console.log('up')`;
  return idle(spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }), 'the idle node');
}

export function startIdlePython(): Promise<IdleProcess> {
  const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).trim();
  const script = 'import sys; print("up", flush=True); sys.stdin.read()';
  return idle(spawn(python, ['-S', '-c', script], { stdio: ['pipe', 'pipe', 'inherit'] }), 'the idle python');
}

async function idle(child: ChildProcess, name: string): Promise<IdleProcess> {
  await firstLine(child, name);
  return {
    pid: child.pid as number,
    async [Symbol.asyncDispose]() {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await exited;
    },
  };
}
