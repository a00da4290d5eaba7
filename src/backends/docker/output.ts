import type { Duplex } from 'node:stream';
import { within } from '../within.js';
import type { DockerClient } from './client.js';
import { OutputDecoder, type OutputSink } from './multiplex.js';

/**
 * What a container writes, on a connection of its own. It is passed on as it comes and kept nowhere: while the worker does not read, the daemon's buffer
 * fills (1 MiB a stream), and then the container's writes wait.
 */
export class ContainerOutput {
  readonly #client: DockerClient;
  readonly #id: string;
  readonly #sink: OutputSink;
  #socket: Duplex | null = null;
  #attaching: Promise<void> | null = null;
  #ended: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(client: DockerClient, id: string, sink: OutputSink) {
    this.#client = client;
    this.#id = id;
    this.#sink = sink;
  }

  get attached(): boolean {
    return this.#socket !== null;
  }

  /** Before its process is started, so that nothing of it is missed; and again when the daemon has come back. Rejects with a DockerError. */
  attach(): Promise<void> {
    // Two at once would pass everything on twice.
    this.#attaching ??= this.#attach().finally(() => {
      this.#attaching = null;
    });
    return this.#attaching;
  }

  /** The last of it has been passed on, or this time is over. */
  async finished(limitMs: number): Promise<void> {
    await within(this.#ended, limitMs);
  }

  close(): void {
    this.#closed = true;
    this.#socket?.destroy();
  }

  async #attach(): Promise<void> {
    const query = { stream: true, stdout: true, stderr: true };
    const socket = await this.#client.hijack(`/containers/${this.#id}/attach`, query);
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#socket = socket;
    const decoder = new OutputDecoder(this.#sink);
    this.#ended = new Promise((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        try {
          decoder.push(chunk);
        } catch (error) {
          socket.destroy(error as Error);
        }
      });
      // A reset is how a daemon's death looks; that it is gone is told by its events.
      socket.on('error', () => {});
      socket.on('end', () => socket.destroy());
      socket.on('close', () => {
        this.#socket = null;
        resolve();
      });
    });
  }
}
