import type { GrpcConnection } from './grpc-connection.js';

/** The connections of a gRPC server: whether they still live, and how they end without a call that fails. */

export interface GrpcSessionOptions {
  /** A connection on which nothing has come for so long is asked whether it still lives; ms, 0 = never. */
  readonly keepAliveMs: number;
  /** One that does not answer that for so long is cut off; ms. */
  readonly keepAliveTimeoutMs: number;
  /** Pings of a client may come so often, while it calls nothing; ms. */
  readonly minPingMs: number;
}

export class GrpcSessions {
  readonly #options: GrpcSessionOptions;
  readonly #open = new Set<GrpcConnection>();
  readonly #keepAlive: NodeJS.Timeout | null;
  #emptied: (() => void)[] = [];
  #leaving = false;

  constructor(options: GrpcSessionOptions) {
    this.#options = options;
    const { keepAliveMs } = options;
    this.#keepAlive = keepAliveMs === 0 ? null : setInterval(() => this.#askQuiet(), Math.max(50, keepAliveMs / 4));
    this.#keepAlive?.unref();
  }

  get size(): number {
    return this.#open.size;
  }

  opened(connection: GrpcConnection): void {
    this.#open.add(connection);
    if (this.#leaving) connection.leave();
  }

  closed(connection: GrpcConnection): void {
    this.#open.delete(connection);
    if (this.#open.size > 0) return;
    const emptied = this.#emptied;
    this.#emptied = [];
    for (const done of emptied) done();
  }

  /** Tells all clients to go elsewhere, and resolves when the last has; calls that are open are answered first. */
  leave(): Promise<void> {
    this.#leaving = true;
    for (const connection of this.#open) connection.leave();
    return new Promise((resolve) => {
      if (this.#open.size === 0) resolve();
      else this.#emptied.push(resolve);
    });
  }

  destroy(): void {
    for (const connection of this.#open) connection.destroy();
  }

  stop(): void {
    if (this.#keepAlive !== null) clearInterval(this.#keepAlive);
  }

  #askQuiet(): void {
    const now = performance.now();
    for (const connection of this.#open) {
      if (connection.quietMs(now) >= this.#options.keepAliveMs) connection.ask(this.#options.keepAliveTimeoutMs);
    }
  }
}
