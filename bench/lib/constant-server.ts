import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { firstLine } from './child.js';

export interface ConstantServer extends AsyncDisposable {
  readonly url: string;
}

export interface ConstantGrpcServer extends AsyncDisposable {
  readonly pid: number;
  /** host:port */
  readonly address: string;
}

const HTTP = fileURLToPath(new URL('./constant-server.mjs', import.meta.url));
const GRPC = fileURLToPath(new URL('./constant-grpc-server.mjs', import.meta.url));

/** A bare `node:http` server in a process of its own, which answers everything with `body`. */
export async function startConstantServer(body: string): Promise<ConstantServer> {
  const { port, stop } = await start(HTTP, body, 'the constant server');
  return { url: `http://127.0.0.1:${port}/`, [Symbol.asyncDispose]: stop };
}

/** A server in a process of its own, which answers every call of gRPC with the same message: bare `node:http2`, or the usual library. */
export async function startConstantGrpcServer(kind: 'http2' | 'grpc-js'): Promise<ConstantGrpcServer> {
  const { pid, port, stop } = await start(GRPC, kind, `the constant ${kind} server`);
  return { pid, address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: stop };
}

async function start(
  program: string,
  argument: string,
  name: string,
): Promise<{ pid: number; port: string; stop: () => Promise<void> }> {
  const child = spawn(process.execPath, [program, argument], { stdio: ['pipe', 'pipe', 'inherit'] });
  const port = await firstLine(child, name);
  const stop = async (): Promise<void> => {
    const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    await exited;
  };
  return { pid: child.pid as number, port, stop };
}
