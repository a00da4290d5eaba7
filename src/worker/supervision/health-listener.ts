import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { WorkerHealth } from '../../config/api.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import type { WatchedLog } from './watched.js';

/**
 * Two routes of the HTTP edge, served by the main thread: `/healthz` and `/livez` answer here also while the shard, with all its edges, hangs or is started again. Nothing
 * else is served, so that nothing else can hold the main thread up.
 */
export class HealthListener {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens. Rejects with `conflict` when the port is taken and `unavailable` when it cannot be listened on. `health` never rejects. */
  static async start(
    settings: WorkerConfig['supervision']['health'],
    health: () => Promise<WorkerHealth>,
    log: WatchedLog,
  ): Promise<HealthListener> {
    const server = createServer(
      { headersTimeout: 5000, requestTimeout: 5000, keepAliveTimeout: 5000 },
      (request, response) => {
        serve(request, response, health).catch((error: unknown) => log.error({ err: error }, 'health was not told'));
      },
    );
    await listen(server, settings);
    server.on('error', (error) => log.error({ err: error }, 'the health listener failed'));
    // It must not keep a process alive whose worker has stopped.
    server.unref();
    return new HealthListener(server);
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }
}

async function serve(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  health: () => Promise<WorkerHealth>,
): Promise<void> {
  const path = url.split('?', 1)[0];
  if (path !== '/healthz' && path !== '/livez')
    return answer(response, 404, { detail: 'only /healthz and /livez are served here' });
  if (method !== 'GET' && method !== 'HEAD')
    return answer(response, 405, { detail: 'only GET' }, { allow: 'GET, HEAD' });
  if (path === '/livez') return answer(response, 200, { live: true });
  const told = await health();
  answer(response, told.healthy ? 200 : 503, told);
}

function answer(response: ServerResponse, status: number, body: object, headers: Record<string, string> = {}): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'content-length': Buffer.byteLength(text),
  });
  response.end(response.req.method === 'HEAD' ? undefined : text);
}

function listen(server: Server, { address, port }: { address: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const why = taken ? 'the port is already in use' : error.message;
      reject(
        new IluvatarError(taken ? 'conflict' : 'unavailable', `cannot serve health on ${address}:${port}: ${why}`),
      );
    });
    server.listen({ host: address, port }, resolve);
  });
}
