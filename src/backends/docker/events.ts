import type { IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { DockerEvent } from './api.js';
import type { DockerClient, Query } from './client.js';
import { lines } from './lines.js';

/**
 * Docker's events as one long answer: nothing is asked again and again. A stream that ends (the daemon was restarted) is opened anew, with growing pauses
 * while nobody answers, from the last event that was seen.
 */

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
const REACH_TIMEOUT_MS = 5_000;

export interface EventsOptions {
  /** As the API's `filters`. */
  readonly filters: Query;
  event(event: DockerEvent): void;
  /** A stream stands: what was missed before it can be asked for now. A rejection ends it, and all is tried again. */
  connected(): Promise<void>;
  /** Once for each time it is lost. */
  lost(reason: string): void;
}

export class EventStream {
  readonly #client: DockerClient;
  readonly #options: EventsOptions;
  readonly #stop = new AbortController();
  #stream: IncomingMessage | null = null;
  /** Seconds since 1970, as the daemon's clock says; 0 = nothing was seen. */
  #since = 0;
  #done: Promise<void> = Promise.resolve();
  /** null = it stands. */
  failure: string | null = 'not started';
  connections = 0;

  constructor(client: DockerClient, options: EventsOptions) {
    this.#client = client;
    this.#options = options;
  }

  /** Resolves once the first attempt has come to an end, good or bad; it goes on trying. */
  start(): Promise<void> {
    return new Promise((resolve) => {
      this.#done = this.#run(resolve);
    });
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#stream?.destroy();
    await this.#done;
  }

  async #run(attempted: () => void): Promise<void> {
    const { signal } = this.#stop;
    let pause = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      try {
        await this.#follow(() => {
          pause = FIRST_PAUSE_MS;
          attempted();
        });
      } catch (error) {
        const first = this.failure === null || this.failure === 'not started';
        this.failure = (error as Error).message;
        if (first && !signal.aborted) this.#options.lost(this.failure);
      }
      attempted();
      // Some of it by chance: the workers of a machine do not all ask a daemon that comes up at the same moment.
      await sleep(pause * (0.75 + Math.random() / 2), undefined, { signal }).catch(() => {});
      pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
    }
    this.failure = 'stopped';
  }

  /** One stream from its beginning to its end; never resolves. */
  async #follow(connected: () => void): Promise<never> {
    await this.#client.reach(REACH_TIMEOUT_MS);
    // Whole seconds: the last ones are told twice, which does no harm, rather than not at all.
    const query = { filters: this.#options.filters, ...(this.#since === 0 ? {} : { since: this.#since }) };
    // Its headers may come with the first event only.
    const stream = await this.#client.stream('GET', '/events', { query, timeoutMs: 0 });
    this.#stream = stream;
    try {
      if (this.#stop.signal.aborted) throw new Error('stopped');
      const read = this.#read(stream);
      // Told below; not while `connected` is waited for.
      read.catch(() => {});
      await Promise.race([this.#options.connected(), read]);
      this.failure = null;
      this.connections++;
      connected();
      await read;
    } finally {
      this.#stream = null;
      stream.destroy();
    }
    throw new Error('the daemon ended its events');
  }

  async #read(stream: IncomingMessage): Promise<void> {
    for await (const line of lines(stream)) this.#event(JSON.parse(line) as DockerEvent);
  }

  #event(event: DockerEvent): void {
    this.#since = event.time;
    this.#options.event(event);
  }
}
