import { IluvatarError } from '../../core/errors.js';
import type { GrpcAddress } from './address.js';
import { Connection } from './connection.js';
import type { GrpcSettings } from './options.js';

const FIRST_BACKOFF_MS = 50;

/** Keeps one connection: makes it when a call wants it, and again when it has gone. */
export class Connector {
  readonly #address: GrpcAddress;
  readonly #settings: GrpcSettings;
  #connection: Connection | null = null;
  #opening: Promise<Connection> | null = null;
  #failure: IluvatarError | null = null;
  #failures = 0;
  #tryAgainAt = 0;
  #closed = false;

  constructor(address: GrpcAddress, settings: GrpcSettings) {
    this.#address = address;
    this.#settings = settings;
  }

  /** Without a promise when it is there, which is nearly always. Rejects with `unavailable`; after a failure at once until the next attempt is due. */
  connection(): Connection | Promise<Connection> {
    if (this.#connection?.open === true) return this.#connection;
    if (this.#closed) return Promise.reject(new IluvatarError('unavailable', 'the client was closed'));
    if (this.#opening === null) {
      if (this.#failure !== null && performance.now() < this.#tryAgainAt) return Promise.reject(this.#failure);
      this.#opening = this.#opened();
    }
    return this.#opening;
  }

  close(): void {
    this.#closed = true;
    this.#connection?.close();
  }

  async #opened(): Promise<Connection> {
    try {
      const connection = await Connection.opened(this.#address, this.#settings);
      if (this.#closed) {
        connection.close();
        throw new IluvatarError('unavailable', 'the client was closed');
      }
      this.#connection = connection;
      this.#failure = null;
      this.#failures = 0;
      return connection;
    } catch (error) {
      this.#failure = error as IluvatarError;
      // Many clients that lost one server shall not all come back in the same moment.
      const longest = Math.min(FIRST_BACKOFF_MS * 2 ** this.#failures++, this.#settings.maxBackoffMs);
      this.#tryAgainAt = performance.now() + longest * (0.5 + Math.random() / 2);
      throw error;
    } finally {
      this.#opening = null;
    }
  }
}
