import { connect, type Socket } from 'node:net';
import type { GraphiteSinkConfig } from '../../config/sections/metrics.js';
import { graphiteLines } from './graphite-lines.js';
import type { Point } from './point.js';
import type { PushSink } from './sink.js';

/**
 * Carbon's plaintext port over one TCP connection that is kept. The protocol has no answers: points count as sent once the kernel has taken all of them, so that those which lie in the sockets of a server
 * that dies are lost. Sending again what was cut off does no harm: a point of the same second takes the other's place.
 */
export class GraphiteSink implements PushSink {
  readonly address: string;
  readonly #config: GraphiteSinkConfig;
  readonly #tags: Readonly<Record<string, string>>;
  #socket: Socket | null = null;

  constructor(config: GraphiteSinkConfig, tags: Readonly<Record<string, string>>) {
    this.#config = config;
    this.#tags = tags;
    this.address = `graphite://${config.host}:${config.port}`;
  }

  async send(points: readonly Point[], signal: AbortSignal): Promise<void> {
    const text = points.map((point) => graphiteLines(point, this.#config.prefix, this.#tags)).join('');
    try {
      this.#socket ??= await this.#connect(signal);
      await written(this.#socket, text, signal);
    } catch (error) {
      // The server may have half a line: only a new connection begins at the beginning of one.
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #connect(signal: AbortSignal): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: this.#config.host, port: this.#config.port });
      const give = (error: Error): void => {
        socket.destroy();
        reject(error);
      };
      const aborted = (): void => give(reasonOf(signal));
      signal.addEventListener('abort', aborted, { once: true });
      socket.once('error', give);
      socket.once('connect', () => {
        signal.removeEventListener('abort', aborted);
        socket.off('error', give);
        // It ends whenever the server does; the next batch finds it gone and connects anew. It says nothing, but must be read for its end to be seen.
        socket.on('error', () => undefined).resume();
        socket.once('close', () => {
          if (this.#socket === socket) this.#socket = null;
        });
        // An idle connection keeps no program alive.
        socket.unref();
        resolve(socket);
      });
    });
  }
}

function written(socket: Socket, text: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = (): void => reject(new Error('the server has closed the connection'));
    const aborted = (): void => reject(reasonOf(signal));
    socket.once('close', ended);
    signal.addEventListener('abort', aborted, { once: true });
    socket.write(text, (error) => {
      socket.off('close', ended);
      signal.removeEventListener('abort', aborted);
      if (error) reject(error);
      else resolve();
    });
  });
}

function reasonOf(signal: AbortSignal): Error {
  return signal.reason instanceof Error ? signal.reason : new Error('aborted');
}
