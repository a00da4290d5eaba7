import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import { native } from '../native.js';
import { type GrpcEdge, startGrpcEdge } from '../server/grpc/edge.js';
import type { RegistrationFacts } from '../server/grpc/methods/registration.js';
import type { Give, HandedOver, HandOverResult } from '../server/hand-over.js';
import { type HttpEdge, startHttpEdge } from '../server/http/edge.js';
import { startUnixSocketEdge, type UnixSocketEdge } from '../server/unix-socket/edge.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import type { Transport } from '../transport/transport.js';
import { type InheritedSockets, NO_SOCKETS } from './daemon/inherited-sockets.js';
import { cannotListen } from './daemon/own-socket.js';
import type { WorkerGateway } from './worker-gateway.js';

/** A shard's edges: opened, on sockets of their own or on those that were handed over, and closed. */

export interface ShardEdgesOptions {
  readonly config: WorkerConfig;
  readonly log: Log;
  readonly sockets: InheritedSockets;
  readonly transport: Transport;
  readonly gateway: WorkerGateway;
  facts(): RegistrationFacts;
  /** Shared with the supervisor, which answers HTTP requests when this thread cannot; null = nobody does. */
  readonly inFlight: SharedArrayBuffer | null;
}

/** What serves at one time: a shard that has failed to hand over goes on with new ones, while the old ones end what they were busy with. */
interface OpenEdges {
  http: HttpEdge | null;
  grpc: GrpcEdge | null;
  unix: UnixSocketEdge | null;
}

const NONE_OPEN: OpenEdges = { http: null, grpc: null, unix: null };

export class ShardEdges {
  readonly #options: ShardEdgesOptions;
  readonly #retired: OpenEdges[] = [];
  #open: OpenEdges = { ...NONE_OPEN };

  constructor(options: ShardEdgesOptions) {
    this.#options = options;
  }

  get httpPort(): number | null {
    return this.#open.http?.port ?? null;
  }

  get grpcPort(): number | null {
    return this.#open.grpc?.port ?? null;
  }

  /** Where clients find them: "127.0.0.1:80", null = not open. */
  get addresses(): { http: string | null; grpc: string | null } {
    const { config, sockets } = this.#options;
    const at = (edge: 'http' | 'grpc', port: number | null): string | null => {
      if (port === null) return null;
      const { address } = config[edge];
      return sockets[edge]?.address ?? `${address.includes(':') ? `[${address}]` : address}:${port}`;
    };
    return { http: at('http', this.httpPort), grpc: at('grpc', this.grpcPort) };
  }

  /** Open ones; those of the unix socket and of gRPC are the transport's. */
  get httpConnections(): number {
    return [this.#open, ...this.#retired].reduce((sum, { http }) => sum + (http?.connections ?? 0), 0);
  }

  /** Those with sockets of their own. Throws `conflict` when one is taken. */
  async open(): Promise<void> {
    const { sockets } = this.#options;
    await this.#listen(NO_SOCKETS, (edge) => sockets[edge] === null);
  }

  /** Those whose sockets were handed over: nobody else can have them, and who comes before this is called waits in them. */
  async openInherited(): Promise<void> {
    const { sockets } = this.#options;
    await this.#listen(sockets, (edge) => sockets[edge] !== null);
  }

  /** Resolves when whoever was accepted has had an answer, or its time is over. */
  async close(): Promise<void> {
    for (const { http, grpc, unix } of [this.#open, ...this.#retired]) {
      await Promise.all([http?.close(), grpc?.close()]);
      unix?.close();
    }
  }

  /** Where they listen, for whoever goes on there. What of it was made here (`own`) is the caller's to close. */
  listening(): InheritedSockets {
    const { sockets } = this.#options;
    const { http, grpc } = this.#open;
    return {
      unix: sockets.unix,
      http: sockets.http ?? (http === null ? null : { ...http.listening(), own: true }),
      grpc: sockets.grpc ?? (grpc === null ? null : { ...grpc.listening(), own: true }),
    };
  }

  /**
   * Gives the clients' connections away, each as soon as nothing is in flight on it, and accepts nobody any more: who connects waits in the sockets that were inherited, or of which `listening` gave
   * copies. What is busy after `limitMs` is kept, and served until `close`. Not again before `reopen`.
   */
  async handOver(give: Give, limitMs: number): Promise<HandOverResult> {
    // Those that retired may still have the clients that were busy then.
    const all = [this.#open, ...this.#retired];
    const results = await Promise.all(
      all.flatMap(({ unix, http, grpc }) => [
        unix?.handOver(give, limitMs),
        http?.handOver(give, limitMs),
        grpc?.handOver(limitMs),
      ]),
    );
    const sum = (which: keyof HandOverResult) => results.reduce((all, one) => all + (one?.[which] ?? 0), 0);
    return { given: sum('given'), kept: sum('kept'), stalled: sum('stalled') };
  }

  /** Nobody has taken over: goes on at the same places. */
  async reopen(listening: InheritedSockets): Promise<void> {
    this.#retired.push(this.#open);
    this.#open = { ...NONE_OPEN };
    await this.#listen(listening, (edge) => listening[edge] !== null);
  }

  /** Goes on with a connection that another process gave away. Its descriptor is the edge's in any case; throws when it is of no use, or its edge is not open. */
  takeOver(handed: HandedOver): void {
    const { unix, http } = this.#open;
    if (handed.edge === 'unix' && unix !== null) unix.takeOver(handed.fd, handed.state);
    else if (handed.edge === 'http' && http !== null) http.takeOver(handed.fd, handed.state);
    else {
      native().system.close(handed.fd);
      throw new IluvatarError(
        'unavailable',
        `a connection of the edge ${handed.edge} was handed over, which is not open`,
      );
    }
  }

  async #listen(sockets: InheritedSockets, due: (edge: keyof InheritedSockets) => boolean): Promise<void> {
    const { config, log, gateway, facts, transport } = this.#options;
    if (due('unix')) this.#open.unix = this.#listenUnixSocket(sockets.unix?.fd ?? null);
    if (due('http') && config.http.enabled) {
      // A copy: the edge closes what it is given.
      const fd = sockets.http === null ? null : native().system.duplicate(sockets.http.fd);
      const inFlight = this.#options.inFlight === null ? null : new Int32Array(this.#options.inFlight);
      this.#open.http = await startHttpEdge({
        gateway,
        config: config.http,
        log: moduleLog(log, 'http'),
        fd,
        inFlight,
      });
    }
    if (due('grpc') && config.grpc.enabled) {
      const fd = sockets.grpc === null ? null : native().system.duplicate(sockets.grpc.fd);
      this.#open.grpc = await startGrpcEdge({ gateway, config, facts, log: moduleLog(log, 'grpc'), transport, fd });
    }
  }

  #listenUnixSocket(fd: number | null): UnixSocketEdge {
    const { config, transport, gateway } = this.#options;
    const path = resolvePaths(config).socket;
    const mode = Number.parseInt(config.socketMode, 8);
    try {
      return startUnixSocketEdge({ transport, gateway, path, mode, fd });
    } catch (error) {
      throw cannotListen(path, error as NodeJS.ErrnoException);
    }
  }
}
