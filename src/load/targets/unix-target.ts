import { type Client, connect } from '../../client/client.js';
import type { PrewarmOptions, WorkerStatus } from '../../config/api.js';
import type { IluvatarError } from '../../core/errors.js';
import type { LoadAnswer, LoadCall, LoadFunction, LoadTarget } from '../target.js';
import { answerOf, answerOfError, failureOf } from './answers.js';

/** Between two tries to reach a worker that is gone; ms. Calls meanwhile fail at once: a generator that waited would not send when it is meant to. */
const RECONNECT_MS = 200;

/** A worker by its unix socket: one connection with all calls in flight on it. A connection that is lost is made again. */
export class UnixTarget implements LoadTarget {
  readonly address: string;
  readonly #path: string;
  readonly #maxBodyBytes: number;
  #client: Client;
  #worker: string;
  #connecting: Promise<void> | null = null;
  #triedAt = 0;
  #lastError: IluvatarError | null = null;

  private constructor(path: string, maxBodyBytes: number, client: Client) {
    this.address = `unix:${path}`;
    this.#path = path;
    this.#maxBodyBytes = maxBodyBytes;
    this.#client = client;
    this.#worker = client.workerName;
  }

  /** Rejects with `unavailable` when nobody listens there. */
  static async open(path: string, maxBodyBytes: number): Promise<UnixTarget> {
    return new UnixTarget(path, maxBodyBytes, await connect(path, { maxBodyBytes }));
  }

  async register({ definition, archive, replace = false }: LoadFunction): Promise<void> {
    await this.#client.register(definition, { replace, ...(archive === null ? {} : { archive }) });
  }

  async prewarm(name: string, options: PrewarmOptions): Promise<void> {
    await this.#client.prewarm(name, options);
  }

  invoke(call: LoadCall): Promise<LoadAnswer> {
    if (!this.#client.open) return this.#afterReconnecting(call);
    const { version, tid, timeoutMs } = call;
    return this.#client
      .invokeText(call.name, call.args, { version, ...(tid === '' ? {} : { tid }), timeoutMs })
      .then(this.#answered, this.#rejected);
  }

  status(): Promise<WorkerStatus> {
    return this.#client.status();
  }

  clean(): Promise<number> {
    return this.#client.clean();
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#connecting;
    this.#client.close();
  }

  readonly #answered = (result: Parameters<typeof answerOf>[0]): LoadAnswer => answerOf(result, this.#worker);
  readonly #rejected = (error: unknown): LoadAnswer => answerOfError(error, '', this.#worker);

  async #afterReconnecting(call: LoadCall): Promise<LoadAnswer> {
    const now = performance.now();
    if (this.#connecting === null && now - this.#triedAt >= RECONNECT_MS) {
      this.#triedAt = now;
      this.#connecting = this.#reconnect();
    }
    await this.#connecting;
    if (this.#client.open) return await this.invoke(call);
    return failureOf('unavailable', this.#lastError?.message ?? 'the connection was lost', call.tid, this.#worker);
  }

  async #reconnect(): Promise<void> {
    try {
      this.#client = await connect(this.#path, { maxBodyBytes: this.#maxBodyBytes });
      this.#worker = this.#client.workerName;
    } catch (error) {
      this.#lastError = error as IluvatarError;
    } finally {
      this.#connecting = null;
    }
  }
}
