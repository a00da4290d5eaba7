import { type Client, connect } from '../client/client.js';
import type { InvokeOptions, InvokeResult, MethodName } from '../config/api.js';
import type { WorkerConnection } from './local-client.js';

/**
 * The library's connection to a shard on a thread of its own. A shard that is started again ends the connection with it: the next call opens another one. Not promised: that
 * anything is tried again. What was in flight is answered with `unavailable`, and whoever asked decides.
 */
export class ShardConnection implements WorkerConnection {
  readonly #path: string;
  readonly #maxBodyBytes: number;
  #client: Client;
  #connecting: Promise<Client> | null = null;
  #closed = false;

  private constructor(path: string, maxBodyBytes: number, client: Client) {
    this.#path = path;
    this.#maxBodyBytes = maxBodyBytes;
    this.#client = client;
  }

  /** Rejects with `unavailable` when nobody listens at `path`. */
  static async open(path: string, maxBodyBytes: number): Promise<ShardConnection> {
    return new ShardConnection(path, maxBodyBytes, await connect(path, { maxBodyBytes }));
  }

  invoke<T>(name: string, args: unknown, options: InvokeOptions): Promise<InvokeResult<T>> {
    const client = this.#client;
    // Not `async` for this alone: it would cost a promise per invocation.
    return client.open
      ? client.invoke<T>(name, args, options)
      : this.#reopen().then((next) => next.invoke(name, args, options));
  }

  async call(
    method: MethodName,
    params: Record<string, unknown>,
    body: Uint8Array | null = null,
    progress: ((line: string) => void) | null = null,
  ): Promise<unknown> {
    const client = this.#client.open ? this.#client : await this.#reopen();
    return await client.call(method, params, body, progress);
  }

  close(): void {
    this.#closed = true;
    this.#client.close();
  }

  /** One attempt for all that ask meanwhile. */
  #reopen(): Promise<Client> {
    // Its own error says that it was closed.
    if (this.#closed) return Promise.resolve(this.#client);
    this.#connecting ??= connect(this.#path, { maxBodyBytes: this.#maxBodyBytes })
      .then((client) => {
        this.#client = client;
        if (this.#closed) client.close();
        return client;
      })
      .finally(() => {
        this.#connecting = null;
      });
    return this.#connecting;
  }
}
