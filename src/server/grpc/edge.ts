import type { AddressInfo } from 'node:net';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { native } from '../../native.js';
import type { Log } from '../../telemetry/logs/log.js';
import type { Transport } from '../../transport/transport.js';
import type { Gateway } from '../gateway.js';
import type { HandOverResult } from '../hand-over.js';
import { GrpcServer } from './grpc-server.js';
import type { RegistrationFacts } from './methods/registration.js';
import { services } from './services.js';

/** The gRPC edge: the services of a worker on one listening socket, and their orderly end. */

export interface GrpcEdgeOptions {
  readonly gateway: Gateway;
  readonly config: WorkerConfig;
  /** What registrations are measured by, in force now. */
  facts(): RegistrationFacts;
  readonly log: Log;
  /** That of the gateway's thread, whose payloads the gateway takes; absent = one of its own. */
  readonly transport?: Transport;
  /** A socket that listens already, in the place of address and port; it is closed with the edge. */
  readonly fd?: number | null;
}

export interface GrpcEdge {
  /** The port in use, also when 0 was asked for. */
  readonly port: number;
  /** Open ones. */
  readonly connections: number;
  /** Stops accepting, sends clients elsewhere (GOAWAY), waits for calls that run, and cuts off what is left after `graceMs` (default 5,000). */
  close(graceMs?: number): Promise<void>;
  /**
   * Stops accepting, and sends clients elsewhere: they connect again, and wait in the socket for whoever else has it; what they have called is answered here first. An HTTP/2 connection has state on both sides, so none is given
   * away. Calls that are open after `limitMs` are kept, and served until `close`.
   */
  handOver(limitMs: number): Promise<HandOverResult>;
  /** A copy of the listening socket, the caller's to close, and where it listens: "127.0.0.1:80". Before `handOver`. */
  listening(): { readonly fd: number; readonly address: string };
}

const CLOSE_GRACE_MS = 5000;

/** Listens and answers. Rejects with `conflict` when the port is taken and `unavailable` when it cannot be listened on. */
export async function startGrpcEdge(options: GrpcEdgeOptions): Promise<GrpcEdge> {
  const { gateway, config, facts, log, transport, fd = null } = options;
  const { grpc } = config;
  const methods = services({ gateway, config, facts });
  const server = new GrpcServer({ ...grpc, methods, log, ...(transport === undefined ? {} : { transport }) });
  await listen(server, grpc, fd);
  // From here on an error of the listening socket (out of descriptors, say) must not end the process.
  server.server.on('error', (error) => log.error({ err: error }, 'the gRPC server failed'));
  const { port } = server.server.address() as AddressInfo;
  return {
    port,
    get connections() {
      return server.sessions.size;
    },
    close: (graceMs = CLOSE_GRACE_MS) => close(server, graceMs),
    handOver: (limitMs) => handOver(server, limitMs),
    listening: () => listeningSocket(server),
  };
}

function listen({ server }: GrpcServer, { address, port }: WorkerConfig['grpc'], fd: number | null): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException): void => {
      const taken = error.code === 'EADDRINUSE';
      const why = taken ? 'the port is already in use' : error.message;
      const where = `${address}:${port}`;
      reject(new IluvatarError(taken ? 'conflict' : 'unavailable', `cannot listen for gRPC on ${where}: ${why}`));
    };
    server.once('error', failed);
    server.listen(fd === null ? { host: address, port, backlog: 1024 } : { fd }, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function listeningSocket({ server }: GrpcServer): { fd: number; address: string } {
  // Node has no other way to it.
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const { address, family, port } = server.address() as AddressInfo;
  return { fd: native().system.duplicate(fd), address: `${family === 'IPv6' ? `[${address}]` : address}:${port}` };
}

/** Whether all connections ended within `limitMs`. */
async function leave(server: GrpcServer, limitMs: number): Promise<boolean> {
  if (server.server.listening) server.server.close();
  server.endStreaming();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, limitMs, false);
  });
  const ended = await Promise.race([server.sessions.leave().then(() => true), late]);
  clearTimeout(timer);
  return ended;
}

async function close(server: GrpcServer, graceMs: number): Promise<void> {
  if (!(await leave(server, graceMs))) {
    const ended = server.sessions.leave();
    server.sessions.destroy();
    await ended;
  }
  server.stop();
}

async function handOver(server: GrpcServer, limitMs: number): Promise<HandOverResult> {
  const ended = await leave(server, limitMs);
  // A connection without calls is not waited for: its client has been told, and finds another.
  return { given: 0, kept: ended ? 0 : server.calls, stalled: ended || server.calls > 0 ? 0 : server.sessions.size };
}
