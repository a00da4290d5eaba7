import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { getRequestListener } from '@hono/node-server';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { native } from '../../native.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { Gateway } from '../gateway.js';
import type { Give, HandOverResult, HttpClientState } from '../hand-over.js';
import { createControlApp } from './control-app.js';
import { HttpHandOver, TakenOver } from './hand-over.js';
import { InvokeRoute } from './invoke-route.js';
import { problemOf, refuseUnread, STATUS_OF_CLASS, tooLarge } from './problems.js';

/**
 * The HTTP edge: one `node:http` server whose invoke route is answered straight from the parser, and whose every other route is a small hono app. Here are the
 * server, its limits against slow and oversized clients, and its orderly end; nothing here knows a route.
 */

export interface HttpEdgeOptions {
  gateway: Gateway;
  config: WorkerConfig['http'];
  log: Log;
  /** By descriptor, requests that wait for the end of an invocation; see `PendingOwner`. */
  inFlight?: Int32Array | null;
  /** A socket that listens already, in the place of address and port; it is closed with the edge. */
  fd?: number | null;
}

export interface HttpEdge {
  /** The port in use, also when 0 was asked for. */
  readonly port: number;
  /** Open ones. */
  readonly connections: number;
  /** Stops accepting, closes idle connections, waits for running requests, and cuts off what is left after `graceMs` (default 5,000). */
  close(graceMs?: number): Promise<void>;
  /**
   * Stops accepting, and gives each connection away once nothing is in flight on it and its last answer is in the kernel; reads no request meanwhile but those that have begun. What is busy
   * after `limitMs` (a long poll, say) is kept and served on, until `close`. Who connects waits in the socket for whoever else has it. Once more for what was kept.
   */
  handOver(give: Give, limitMs: number): Promise<HandOverResult>;
  /** A copy of the listening socket, the caller's to close, and where it listens: "127.0.0.1:80". Before `handOver`. */
  listening(): { readonly fd: number; readonly address: string };
  /** Goes on with a connection that another edge gave away. `fd` is the edge's in any case; throws when it is no socket. */
  takeOver(fd: number, state: HttpClientState): void;
}

const KEEP_ALIVE_MS = 65_000;
const CLOSE_GRACE_MS = 5000;
const CLOSE_POLL_MS = 25;

/** Listens and answers. Rejects with `conflict` when the port is taken and `unavailable` when it cannot be listened on. */
export async function startHttpEdge(options: HttpEdgeOptions): Promise<HttpEdge> {
  const { gateway, config, log, fd = null, inFlight = null } = options;
  const invocations = new InvokeRoute(gateway, config.maxBodyBytes, config.requestTimeoutMs, inFlight);
  const control = getRequestListener(createControlApp({ gateway, config, log }).fetch, {
    overrideGlobalObjects: false,
  });
  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    if (invocations.serve(request, response)) return;
    if (announcesTooMuch(request, config.maxBodyBytes)) {
      refuseUnread(request, response, tooLarge(config.maxBodyBytes));
      return;
    }
    if (invocations.closing) response.setHeader('connection', 'close');
    void control(request, response);
  };
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_MS,
    headersTimeout: config.headersTimeoutMs,
    requestTimeout: config.requestTimeoutMs,
    connectionsCheckingInterval: checkingInterval(config),
    noDelay: true,
  });
  server.on('request', serve);
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    // Asked before sending: a body that will be refused is never sent at all.
    if (!announcesTooMuch(request, config.maxBodyBytes)) response.writeContinue();
    serve(request, response);
  });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    invocations.connected(socket);
  });
  const used = new WeakSet<Socket>();
  const takenOver = new TakenOver(server, KEEP_ALIVE_MS, used);
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && takenOver.isBetweenRequests(socket as Socket)) return;
    refuseUnreadable(error, socket);
  });
  await listen(server, config, fd);
  // From here on an error of the listening socket (out of descriptors, say) must not end the process.
  server.on('error', (error) => log.error({ err: error }, 'the HTTP server failed'));
  const { port } = server.address() as AddressInfo;
  return {
    port,
    get connections() {
      return sockets.size;
    },
    close: (graceMs = CLOSE_GRACE_MS) => {
      invocations.closing = true;
      return close(server, takenOver, sockets, graceMs);
    },
    handOver: (give, limitMs) => new HttpHandOver(server, sockets, used).run(give, limitMs),
    takeOver: (given, state) => takenOver.add(given, state),
    listening: () => listeningSocket(server),
  };
}

/** Node looks for slow clients only so often; looking four times per limit keeps a cut within 25 % of it. 0 means no limit. */
function checkingInterval({ headersTimeoutMs, requestTimeoutMs }: HttpEdgeOptions['config']): number {
  const limits = [headersTimeoutMs, requestTimeoutMs].filter((limit) => limit > 0);
  return Math.max(25, Math.min(30_000, ...limits.map((limit) => Math.ceil(limit / 4))));
}

function listen(server: Server, { address, port }: HttpEdgeOptions['config'], fd: number | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const taken = error.code === 'EADDRINUSE';
      const why = taken ? 'the port is already in use' : error.message;
      reject(
        new IluvatarError(taken ? 'conflict' : 'unavailable', `cannot listen on http://${address}:${port}: ${why}`),
      );
    };
    server.once('error', failed);
    server.listen(fd === null ? { host: address, port, backlog: 1024 } : { fd }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function listeningSocket(server: Server): { fd: number; address: string } {
  // Node has no other way to it.
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const { address, family, port } = server.address() as AddressInfo;
  return { fd: native().system.duplicate(fd), address: `${family === 'IPv6' ? `[${address}]` : address}:${port}` };
}

function close(server: Server, takenOver: TakenOver, sockets: ReadonlySet<Socket>, graceMs: number): Promise<void> {
  return new Promise((resolve) => {
    const closeIdle = (): void => {
      server.closeIdleConnections();
      takenOver.closeIdle();
    };
    // A connection turns idle when its last answer is written, which nothing announces: ask again until all are gone.
    const idle = setInterval(closeIdle, CLOSE_POLL_MS);
    const cut = setTimeout(() => server.closeAllConnections(), graceMs);
    server.close(() => {
      // The server is done before its last sockets have said so, and does not count those taken over; what they carried is only given up when they end.
      Promise.all([...sockets].map((socket) => new Promise((gone) => socket.once('close', gone)))).then(() => {
        clearInterval(idle);
        clearTimeout(cut);
        resolve();
      });
    });
    takenOver.closeIdle();
  });
}

function announcesTooMuch(request: IncomingMessage, maxBodyBytes: number): boolean {
  return Number(request.headers['content-length'] ?? 0) > maxBodyBytes;
}

/** What the parser could not read, or what did not come in time. There is no request, so the answer is written by hand. */
function refuseUnreadable(error: NodeJS.ErrnoException, socket: Duplex): void {
  const busy = (socket as Duplex & { _httpMessage?: { headersSent: boolean } | null })._httpMessage;
  // In the middle of an answer nothing can be said that the client would not take for a part of it.
  if (!socket.writable || error.code === 'ECONNRESET' || busy?.headersSent === true) {
    socket.destroy();
    return;
  }
  const [errorClass, status, reason, detail] = unreadable(error.code);
  const body = JSON.stringify(problemOf(errorClass, detail, null, '', status));
  socket.end(
    `HTTP/1.1 ${status} ${reason}\r\nconnection: close\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    () => socket.destroy(),
  );
}

function unreadable(code: string | undefined): ['timeout' | 'too_large' | 'invalid', number, string, string] {
  switch (code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['timeout', 408, 'Request Timeout', 'the request did not arrive in time'];
    case 'HPE_HEADER_OVERFLOW':
      return ['too_large', 431, 'Request Header Fields Too Large', 'the headers are too large'];
    default:
      return ['invalid', STATUS_OF_CLASS.invalid, 'Bad Request', `not a readable HTTP request (${code ?? 'unknown'})`];
  }
}
