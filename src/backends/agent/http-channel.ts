import { Agent, request as httpRequest, type IncomingMessage } from 'node:http';
import { createServer } from 'node:net';
import type { TraceHeaders } from '../../telemetry/tracing/trace-context.js';
import type { RunRequest } from '../backend.js';
import { type AgentChannel, type ChannelEvents, parseOldAnswer } from './channel.js';

/**
 * The original's HTTP agents: `GET /` until it answers, then `POST /invoke`. Connections are kept alive, where the original opened
 * one per call.
 */
export interface HttpChannelOptions {
  readonly host: string;
  readonly port: number;
  readonly maxBodyBytes: number;
  /** Bytes of a payload token; the token is used up. */
  readonly takeBody: (payload: number) => Buffer;
}

const FIRST_PAUSE_MS = 2;
const LONGEST_PAUSE_MS = 50;

export class HttpChannel implements AgentChannel {
  readonly #options: HttpChannelOptions;
  readonly #events: ChannelEvents;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  #timer: NodeJS.Timeout | null = null;
  #pause = FIRST_PAUSE_MS;
  #closed = false;

  constructor(options: HttpChannelOptions, events: ChannelEvents) {
    this.#options = options;
    this.#events = events;
    this.#check();
  }

  run(request: RunRequest): void {
    const { payload, trace = null } = request;
    const body =
      typeof payload === 'number'
        ? payload === 0
          ? Buffer.from('{}')
          : this.#options.takeBody(payload)
        : Buffer.from(payload ?? '{}');
    const call = httpRequest(
      {
        host: this.#options.host,
        port: this.#options.port,
        path: '/invoke',
        method: 'POST',
        agent: this.#agent,
        headers: { 'content-type': 'application/json', 'content-length': body.length, ...headersOf(trace) },
      },
      (response) => this.#collect(response, request.requestId),
    );
    call.on('error', (error) => this.#broken(error.message));
    call.end(body);
  }

  close(): void {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#agent.destroy();
  }

  #collect(response: IncomingMessage, requestId: number): void {
    const chunks: Buffer[] = [];
    let bytes = 0;
    response.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= this.#options.maxBodyBytes) chunks.push(chunk);
    });
    response.on('error', (error) => this.#broken(error.message));
    response.on('end', () => {
      if (this.#closed) return;
      if (bytes > this.#options.maxBodyBytes) {
        this.#events.answered(requestId, 'too_large', `the result has ${bytes} bytes`, null, 0);
        return;
      }
      // The status first: the original parsed a 500's HTML as a result and reported a parse error.
      const status = response.statusCode ?? 0;
      const answer = status === 200 || status === 422 ? parseOldAnswer(Buffer.concat(chunks).toString('utf8')) : null;
      if (answer === null) this.#broken(`its agent answered with HTTP ${status} and no result`);
      else this.#events.answered(requestId, answer.errorClass, answer.message, answer.body, answer.runUs);
    });
  }

  #broken(reason: string): void {
    if (!this.#closed) this.#events.broken(reason);
  }

  #check(): void {
    const call = httpRequest(
      { host: this.#options.host, port: this.#options.port, path: '/', agent: this.#agent },
      (response) => {
        response.resume();
        response.on('end', () => {
          if (this.#closed) return;
          if ((response.statusCode ?? 500) < 500) this.#events.ready();
          else this.#later();
        });
      },
    );
    call.on('error', () => this.#later());
    call.end();
  }

  #later(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#check(), this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE_MS);
  }
}

/** W3C Trace Context. */
function headersOf(trace: TraceHeaders | null): Record<string, string> {
  if (trace === null) return {};
  const { traceparent, tracestate } = trace;
  return { traceparent, ...(tracestate === '' ? {} : { tracestate }) };
}

/**
 * A port that is free now. Between here and the agent's own bind somebody may take it: the start then fails as transient and is tried
 * with another one.
 */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
