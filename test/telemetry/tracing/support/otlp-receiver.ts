import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { expect } from 'vitest';
import { decodeSpans, type ReceivedSpan } from './otlp-messages.js';

export type Answer = (response: ServerResponse) => void;

/** In place of a collector, on loopback: keeps what it accepts, and answers as it is told. */
export class OtlpReceiver implements AsyncDisposable {
  /** Of requests that were answered with 200. */
  readonly spans: ReceivedSpan[] = [];
  readonly headers: IncomingHttpHeaders[] = [];
  requests = 0;
  /** Of the next requests, in their order; then all is accepted. */
  answers: Answer[] = [];
  readonly #server: Server;
  readonly #port: number;

  private constructor(server: Server) {
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  /** `port`: 0 = any. */
  static async start(port = 0): Promise<OtlpReceiver> {
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
    const receiver = new OtlpReceiver(server);
    server.on('request', (request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => receiver.#received(request.headers, Buffer.concat(chunks), response));
    });
    return receiver;
  }

  get port(): number {
    return this.#port;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.#port}/v1/traces`;
  }

  /** Resolves with all spans once there are at least so many. */
  async take(count: number): Promise<ReceivedSpan[]> {
    await expect.poll(() => this.spans.length, { timeout: 20_000 }).toBeGreaterThanOrEqual(count);
    return this.spans.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #received(headers: IncomingHttpHeaders, body: Buffer, response: ServerResponse): void {
    this.requests++;
    this.headers.push(headers);
    const answer = this.answers.shift();
    if (answer !== undefined) {
      answer(response);
      return;
    }
    this.spans.push(...decodeSpans(headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body));
    response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
  }
}
