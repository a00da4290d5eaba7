import { createServer, request, type Server } from 'node:http';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';

/**
 * A fake only in what it fails: stands between the engine and a real daemon, and fails one chosen call in one of three ways. All others pass unchanged.
 */
export type FailureMode =
  /** The daemon does not hear of it. */
  | 'refused'
  /** The daemon answers with an error of its own making. */
  | 'error'
  /** The daemon does it, and its answer is lost. */
  | 'lost';

export class FailingSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** `POST /containers/create`, … in order, since `arm`. */
  calls: string[] = [];
  #failAt = 0;
  #mode: FailureMode = 'refused';

  constructor(daemon: string, folder: string) {
    this.path = join(folder, 'failing.sock');
    this.#server = createServer((incoming, answer) => {
      const { method = '', url = '', headers } = incoming;
      const fails = this.#next(method, url);
      if (fails && this.#mode === 'refused') {
        incoming.socket.destroy();
        return;
      }
      if (fails && this.#mode === 'error') {
        incoming.resume();
        answer.writeHead(500, { 'Content-Type': 'application/json' });
        answer.end('{"message":"a failure that the test has made"}');
        return;
      }
      const passed = request({ socketPath: daemon, method, path: url, headers, agent: false }, (reply) => {
        if (fails) {
          reply.resume();
          reply.once('end', () => incoming.socket.destroy());
          return;
        }
        answer.writeHead(reply.statusCode ?? 500, reply.headers);
        answer.flushHeaders();
        reply.pipe(answer);
        answer.once('close', () => reply.destroy());
      });
      passed.once('error', () => incoming.socket.destroy());
      incoming.pipe(passed);
    });
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.on('error', () => {});
    });
    this.#server.on('upgrade', (incoming, socket: Socket, head: Buffer) => {
      const { method = '', url = '', headers } = incoming;
      if (this.#next(method, url)) {
        socket.destroy();
        return;
      }
      const passed = connect(daemon, () => {
        const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
        passed.write(`${method} ${url} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
        passed.write(head);
        passed.pipe(socket);
        socket.pipe(passed);
      });
      for (const [one, other] of [
        [passed, socket],
        [socket, passed],
      ] as const) {
        one.on('error', () => {});
        one.once('close', () => other.destroy());
      }
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  /** The k-th call from now on, from 1, fails; 0 = none. */
  arm(failAt: number, mode: FailureMode = 'refused'): void {
    this.calls = [];
    this.#failAt = failAt;
    this.#mode = mode;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Counts a call; true = it is the one to fail. Events are told, not asked. */
  #next(method: string, url: string): boolean {
    const path = url
      .replace(/^\/v[\d.]+/, '')
      .replace(/\?.*/, '')
      .replace(/[0-9a-f]{64}/, 'ID');
    if (path === '/events' || path === '/version' || path === '/info') return false;
    this.calls.push(`${method} ${path}`);
    return this.calls.length === this.#failAt;
  }
}
