import type { ClientReadableStream } from '@grpc/grpc-js';
import { TaskExit } from '../../rpc/gen/task-events.js';
import type { Envelope } from '../../rpc/gen/types.js';
import type { BackendLog } from '../log.js';
import type { ContainerdClient } from './client.js';

/**
 * The stream of ended tasks. While the daemon is away it is opened again and again; what ended meanwhile is in no stream, so that whoever listens has to
 * look for itself each time it is `opened`.
 */
export interface TaskEventsOptions {
  readonly client: ContainerdClient;
  readonly log: BackendLog;
  exited(container: string, status: number): void;
  /** Also the first time. What it rejects with makes the stream count as lost. */
  opened(): Promise<void>;
  lost(reason: string): void;
}

const TOPIC = '/tasks/exit';
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;
const PROBE_MS = 5_000;

export class TaskEvents {
  readonly #options: TaskEventsOptions;
  #stream: ClientReadableStream<Envelope> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #pause = FIRST_PAUSE_MS;
  #closed = false;

  constructor(options: TaskEventsOptions) {
    this.#options = options;
  }

  /** Resolves when the stream is open or the first attempt has failed; goes on trying by itself. */
  async open(): Promise<void> {
    const { client, opened, log } = this.#options;
    const namespace = client.namespace;
    const stream = client.subscribe([`topic=="${TOPIC}",namespace=="${namespace}"`]);
    this.#stream = stream;
    stream.on('data', (envelope) => this.#event(envelope));
    stream.on('error', (error) => this.#lost(stream, error.message));
    stream.on('end', () => this.#lost(stream, 'the stream of events ended'));
    try {
      // Without an answer of some kind nothing tells that the subscription has been heard: headers come with the first event only.
      await client.reach(PROBE_MS);
      if (this.#stream !== stream) return;
      await opened();
      this.#pause = FIRST_PAUSE_MS;
    } catch (error) {
      log.debug({ reason: (error as Error).message }, 'containerd does not answer');
      this.#lost(stream, (error as Error).message);
    }
  }

  /** A call was not answered in its time. A daemon that stands still ends no stream: it is asked, and counts as away if it says nothing. */
  async doubt(): Promise<void> {
    const stream = this.#stream;
    if (stream === null) return;
    await this.#options.client.reach(PROBE_MS).catch((error: Error) => this.#lost(stream, error.message));
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#stream?.cancel();
    this.#stream = null;
  }

  #event({ topic, namespace, event }: Envelope): void {
    if (topic !== TOPIC || namespace !== this.#options.client.namespace || event === undefined) return;
    const { containerId, id, exitStatus } = TaskExit.decode(event.value);
    // Of its first process; others are named by an id of their own.
    if (id === containerId) this.#options.exited(containerId, exitStatus);
  }

  #lost(stream: ClientReadableStream<Envelope>, reason: string): void {
    if (this.#stream !== stream || this.#closed) return;
    this.#stream = null;
    stream.cancel();
    this.#options.lost(reason);
    this.#timer = setTimeout(() => void this.open(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}
