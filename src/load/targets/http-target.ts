import {
  Agent as HttpAgent,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  request,
} from 'node:http';
import { Agent as HttpsAgent, request as secureRequest } from 'node:https';
import type { PrewarmOptions, WorkerStatus } from '../../config/api.js';
import { ERROR_CLASSES, type ErrorClass, IluvatarError } from '../../core/errors.js';
import type { LoadAnswer, LoadCall, LoadFunction, LoadTarget } from '../target.js';
import { failureOf } from './answers.js';

/** What an answer that is not a worker's stands for, by its status: of a proxy that stands between, say. */
const CLASS_OF_STATUS: Readonly<Record<number, ErrorClass>> = {
  404: 'not_found',
  408: 'timeout',
  409: 'conflict',
  413: 'too_large',
  429: 'overloaded',
  502: 'unavailable',
  503: 'unavailable',
  504: 'timeout',
};
const STATES = ['cold', 'prewarm', 'warm'] as const;

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** A worker by HTTP/1.1, a connection for each call in flight, kept. `https:` is for a proxy in front of it. */
export class HttpTarget implements LoadTarget {
  readonly address: string;
  readonly #base: URL;
  readonly #agent: HttpAgent;
  readonly #send: typeof request;
  readonly #paths = new Map<string, string>();

  private constructor(address: string) {
    this.address = address;
    this.#base = new URL(address);
    const secure = this.#base.protocol === 'https:';
    const options = {
      keepAlive: true,
      noDelay: true,
      maxSockets: Number.POSITIVE_INFINITY,
      scheduling: 'lifo',
    } as const;
    this.#agent = secure ? new HttpsAgent(options) : new HttpAgent(options);
    this.#send = secure ? secureRequest : request;
  }

  /** Rejects with `unavailable` when no worker answers there. */
  static async open(address: string): Promise<HttpTarget> {
    const target = new HttpTarget(address);
    try {
      const { status } = await target.#request('GET', '/livez', {}, null);
      if (status !== 200) throw new IluvatarError('unavailable', `${address} answers, but not as a worker: ${status}`);
      return target;
    } catch (error) {
      await target.close();
      throw error;
    }
  }

  async register({ definition, archive, replace = false }: LoadFunction): Promise<void> {
    const headers: OutgoingHttpHeaders =
      archive === null
        ? { 'content-type': 'application/json' }
        : { 'content-type': 'application/gzip', 'x-iluvatar-definition': JSON.stringify(definition) };
    const path = replace ? '/functions?replace=true' : '/functions';
    await this.#call('POST', path, headers, archive === null ? JSON.stringify(definition) : archive);
  }

  async prewarm(name: string, { version = '1', ...options }: PrewarmOptions): Promise<void> {
    const path = `/functions/${encodeURIComponent(name)}/${encodeURIComponent(version)}/prewarm`;
    await this.#call('POST', path, { 'content-type': 'application/json' }, JSON.stringify(options));
  }

  async invoke(call: LoadCall): Promise<LoadAnswer> {
    const headers: OutgoingHttpHeaders = { 'content-type': 'application/json' };
    if (call.tid !== '') headers['x-iluvatar-tid'] = call.tid;
    if (call.timeoutMs > 0) headers['x-iluvatar-timeout-ms'] = call.timeoutMs;
    let answer: Answer;
    try {
      answer = await this.#request('POST', this.#pathOf(call), headers, call.args);
    } catch (error) {
      return failureOf('unavailable', (error as Error).message, call.tid);
    }
    return toAnswer(answer, call.tid);
  }

  async status(): Promise<WorkerStatus> {
    return (await this.#call('GET', '/status', {}, null)) as WorkerStatus;
  }

  async clean(): Promise<number> {
    const { removed } = (await this.#call('POST', '/clean', { 'content-type': 'application/json' }, '{}')) as {
      removed: number;
    };
    return removed;
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }

  #pathOf({ name, version }: LoadCall): string {
    const key = `${name}@${version}`;
    let path = this.#paths.get(key);
    if (path === undefined) {
      path = `/functions/${encodeURIComponent(name)}/${encodeURIComponent(version)}/invoke`;
      this.#paths.set(key, path);
    }
    return path;
  }

  async #call(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    body: string | Uint8Array | null,
  ): Promise<unknown> {
    const answer = await this.#request(method, path, headers, body);
    if (answer.status < 300) return answer.body === '' ? null : JSON.parse(answer.body);
    const { errorClass, detail } = problemOf(answer);
    throw new IluvatarError(errorClass, detail);
  }

  #request(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders,
    body: string | Uint8Array | null,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const { hostname, port } = this.#base;
      const length = body === null ? 0 : Buffer.byteLength(body);
      const sent = this.#send(
        {
          agent: this.#agent,
          host: hostname.replace(/^\[|\]$/g, ''),
          port,
          method,
          path,
          headers: body === null ? headers : { ...headers, 'content-length': length },
        },
        (answer: IncomingMessage) => {
          const chunks: Buffer[] = [];
          answer.on('data', (chunk: Buffer) => chunks.push(chunk));
          answer.on('end', () =>
            resolve({
              status: answer.statusCode ?? 0,
              headers: answer.headers,
              body: Buffer.concat(chunks).toString('utf8'),
            }),
          );
          answer.on('error', (error) => reject(this.#unreachable(error)));
        },
      );
      sent.on('error', (error) => reject(this.#unreachable(error)));
      sent.end(body ?? undefined);
    });
  }

  #unreachable(error: Error): IluvatarError {
    return new IluvatarError('unavailable', `${this.address} cannot be reached: ${error.message}`);
  }
}

function toAnswer(answer: Answer, askedTid: string): LoadAnswer {
  const { headers } = answer;
  const number = (name: string): number => {
    const text = headers[name];
    return typeof text === 'string' ? Number(text) : -1;
  };
  const tid = String(headers['x-iluvatar-tid'] ?? askedTid);
  const state = STATES.find((name) => name === headers['x-iluvatar-state']) ?? null;
  const ok = answer.status === 200;
  const problem = ok ? null : problemOf(answer);
  return {
    outcome: problem?.errorClass ?? 'ok',
    error: problem?.detail ?? '',
    result: ok ? answer.body : null,
    tid,
    state,
    // Zeros of what never reached a container are not lengths of time.
    queueUs: state === null ? -1 : number('x-iluvatar-queue-us'),
    createUs: state === null ? -1 : number('x-iluvatar-start-us'),
    runUs: state === null ? -1 : number('x-iluvatar-run-us'),
    cpuUs: number('x-iluvatar-cpu-us'),
    energyUj: number('x-iluvatar-energy-uj'),
    attempts: Math.max(0, number('x-iluvatar-attempts')),
    worker: '',
    backend: '',
    device: '',
  };
}

function problemOf({ status, body }: Answer): { errorClass: ErrorClass; detail: string } {
  try {
    const { errorClass, detail } = JSON.parse(body) as { errorClass?: string; detail?: string };
    const known = ERROR_CLASSES.find((name) => name === errorClass && name !== 'ok') as ErrorClass | undefined;
    if (known !== undefined) return { errorClass: known, detail: detail ?? known };
  } catch {
    // Not a worker's answer: what is left to go by is its status.
  }
  return { errorClass: CLASS_OF_STATUS[status] ?? (status < 500 ? 'invalid' : 'internal'), detail: `HTTP ${status}` };
}
