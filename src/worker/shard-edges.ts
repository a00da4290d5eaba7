import { closeSync } from 'node:fs';
import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { native } from '../native.js';
import type { Give, HandedOver, HandOverResult } from '../server/hand-over.js';
import { type HttpEdge, startHttpEdge } from '../server/http/edge.js';
import { startUnixSocketEdge, type UnixSocketEdge } from '../server/unix-socket/edge.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import type { Transport } from '../transport/transport.js';
import type { InheritedSockets } from './daemon/inherited-sockets.js';
import type { WorkerGateway } from './worker-gateway.js';

/** A shard's edges: opened, on sockets of their own or on those that were handed over, and closed. */

export interface ShardEdgesOptions {
  readonly config: WorkerConfig;
  readonly log: Log;
  readonly sockets: InheritedSockets;
  readonly transport: Transport;
  readonly gateway: WorkerGateway;
  /** Shared with the supervisor, which answers HTTP requests when this thread cannot; null = nobody does. */
  readonly inFlight: SharedArrayBuffer | null;
}

export class ShardEdges {
  readonly #options: ShardEdgesOptions;
  #http: HttpEdge | null = null;
  #unix: UnixSocketEdge | null = null;

  constructor(options: ShardEdgesOptions) {
    this.#options = options;
  }

  get httpPort(): number | null {
    return this.#http?.port ?? null;
  }

  /** Open ones of HTTP; those of the unix socket are the transport's. */
  get httpConnections(): number {
    return this.#http?.connections ?? 0;
  }

  /** Those with sockets of their own. Throws `conflict` when one is taken. */
  async open(): Promise<void> {
    const { sockets } = this.#options;
    await this.#listen((edge) => sockets[edge] === null);
  }

  /** Those whose sockets were handed over: nobody else can have them, and who comes before this is called waits in them. */
  async openInherited(): Promise<void> {
    const { sockets } = this.#options;
    await this.#listen((edge) => sockets[edge] !== null);
  }

  /** Resolves when whoever was accepted has had an answer, or its time is over. */
  async close(): Promise<void> {
    await this.#http?.close();
    this.#unix?.close();
  }

  /**
   * Gives the clients' connections away, each as soon as nothing is in flight on it, and accepts nobody any more: who connects waits in the sockets that were inherited (those of their own the
   * edges close). What is busy after `limitMs` is kept, and served until `close`. Once only.
   */
  async handOver(give: Give, limitMs: number): Promise<HandOverResult> {
    const results = await Promise.all([this.#unix?.handOver(give, limitMs), this.#http?.handOver(give, limitMs)]);
    const sum = (which: keyof HandOverResult) => results.reduce((all, one) => all + (one?.[which] ?? 0), 0);
    return { given: sum('given'), kept: sum('kept') };
  }

  /** Goes on with a connection that another process gave away. Its descriptor is the edge's in any case; throws when it is of no use, or its edge is not open. */
  takeOver(handed: HandedOver): void {
    if (handed.edge === 'unix' && this.#unix !== null) this.#unix.takeOver(handed.fd, handed.state);
    else if (handed.edge === 'http' && this.#http !== null) this.#http.takeOver(handed.fd, handed.state);
    else {
      closeSync(handed.fd);
      throw new IluvatarError(
        'unavailable',
        `a connection of the edge ${handed.edge} was handed over, which is not open`,
      );
    }
  }

  async #listen(due: (edge: keyof InheritedSockets) => boolean): Promise<void> {
    const { config, log, sockets, gateway } = this.#options;
    if (due('unix')) this.#unix = this.#listenUnixSocket();
    if (due('http') && config.http.enabled) {
      // A copy: the edge closes what it is given.
      const fd = sockets.http === null ? null : native().system.duplicate(sockets.http.fd);
      const inFlight = this.#options.inFlight === null ? null : new Int32Array(this.#options.inFlight);
      this.#http = await startHttpEdge({ gateway, config: config.http, log: moduleLog(log, 'http'), fd, inFlight });
    }
  }

  #listenUnixSocket(): UnixSocketEdge {
    const { config, sockets, transport, gateway } = this.#options;
    const path = resolvePaths(config).socket;
    const mode = Number.parseInt(config.socketMode, 8);
    try {
      return startUnixSocketEdge({ transport, gateway, path, mode, fd: sockets.unix?.fd ?? null });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      const taken = code === 'EADDRINUSE';
      const why = taken ? 'another worker listens there' : message;
      throw new IluvatarError(taken ? 'conflict' : 'unavailable', `cannot listen on ${path}: ${why}`);
    }
  }
}
