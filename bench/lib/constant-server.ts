import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { firstLine } from './child.js';

export interface ConstantServer extends AsyncDisposable {
  readonly url: string;
}

const PROGRAM = fileURLToPath(new URL('./constant-server.mjs', import.meta.url));

/** A bare `node:http` server in a process of its own, which answers everything with `body`. */
export async function startConstantServer(body: string): Promise<ConstantServer> {
  const child = spawn(process.execPath, [PROGRAM, body], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await firstLine(child, 'the constant server');
  return {
    url: `http://127.0.0.1:${port}/`,
    async [Symbol.asyncDispose]() {
      const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      child.kill('SIGTERM');
      await exited;
    },
  };
}
