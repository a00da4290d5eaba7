import { Agent, type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { IluvatarError } from '../../core/errors.js';
import type { Version } from './api.js';
import { DockerError } from './error.js';

/**
 * Docker's Engine API over its socket (https://docs.docker.com/reference/api/engine/): JSON both ways on connections that are kept, streams, and connections
 * that stop being HTTP. Every failure is a DockerError; nothing is tried twice here.
 */

/** The first that has all that is used here: private cgroup namespaces, error numbers in seccomp profiles. Docker 20.10. */
const OLDEST = [1, 41] as const;
/** The newest that this was written against. A newer daemon speaks it too, as far back as its MinAPIVersion. */
const NEWEST = [1, 51] as const;
/** A create on a loaded daemon takes its time; one that takes longer than this will not end. */
const TIMEOUT_MS = 60_000;
const LARGEST_ERROR = 16 * 1024;

export interface CallOptions {
  readonly query?: Query;
  readonly body?: unknown;
  /** Until the answer's headers; 0 = any time. */
  readonly timeoutMs?: number;
}

export type Query = Readonly<Record<string, string | number | boolean | object>>;

export class DockerClient {
  readonly socket: string;
  readonly #agent = new Agent({ keepAlive: true });
  /** Connections that are nobody's to give back: streams and what was HTTP once. */
  readonly #streams = new Set<{ destroy(): unknown }>();
  /** `/v1.41`; '' before the first answer. */
  #prefix = '';

  constructor(socket: string) {
    this.socket = socket;
  }

  /** Asks what it speaks, and speaks that from now on. Rejects with `unavailable` and the reason. */
  async reach(timeoutMs: number): Promise<Version> {
    const refuse = (reason: string): never => {
      throw new IluvatarError('unavailable', `Docker at ${this.socket} ${reason}`);
    };
    const version = await this.call<Version>('GET', '/version', { timeoutMs }).catch((error: Error) =>
      refuse(`cannot be reached: ${error.message}`),
    );
    const newest = parse(version.ApiVersion);
    const oldest = parse(version.MinAPIVersion ?? '1.0');
    if (compare(newest, OLDEST) < 0) refuse(`speaks version ${version.ApiVersion} of its API; 1.41 (20.10) is needed`);
    if (compare(oldest, NEWEST) > 0) refuse(`speaks only ${version.MinAPIVersion} and later of its API`);
    const [major, minor] = compare(newest, NEWEST) < 0 ? newest : NEWEST;
    this.#prefix = `/v${major}.${minor}`;
    return version;
  }

  /** The answer's JSON; undefined where it has none. */
  async call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
    const answer = await this.#open(method, path, options, this.#agent);
    const text = await textOf(answer, Number.POSITIVE_INFINITY, `${method} ${path}`);
    try {
      return (text === '' ? undefined : JSON.parse(text)) as T;
    } catch {
      throw new DockerError(`${method} ${path}`, 500, `an answer that is no JSON: ${text.slice(0, 200)}`);
    }
  }

  /** An answer that goes on; with `upload`, after all of that was sent. Destroy it to end it early. */
  async stream(method: string, path: string, options: CallOptions = {}, upload?: Readable): Promise<IncomingMessage> {
    const answer = await this.#open(method, path, options, false, upload);
    this.#hold(answer);
    return answer;
  }

  /** A connection that is the daemon's stream alone from now on. */
  hijack(path: string, query: Query, timeoutMs: number = TIMEOUT_MS): Promise<Duplex> {
    const call = `POST ${path}`;
    return new Promise((resolve, reject) => {
      const headers = { Connection: 'Upgrade', Upgrade: 'tcp', 'Content-Length': 0 };
      const sent = this.#request('POST', path, query, headers, false);
      limit(sent, timeoutMs);
      sent.on('upgrade', (_answer, socket: Duplex, head: Buffer) => {
        sent.setTimeout(0);
        if (head.length > 0) socket.unshift(head);
        this.#hold(socket);
        resolve(socket);
      });
      sent.on('response', (answer: IncomingMessage) => failureOf(answer, call).then(reject, reject));
      sent.on('error', (error) => reject(new DockerError(call, 0, error.message)));
      sent.end();
    });
  }

  /** Ends what is under way. */
  close(): void {
    for (const stream of this.#streams) stream.destroy();
    this.#agent.destroy();
  }

  #open(
    method: string,
    path: string,
    { query = {}, body, timeoutMs = TIMEOUT_MS }: CallOptions,
    agent: Agent | false,
    upload?: Readable,
  ): Promise<IncomingMessage> {
    const call = `${method} ${path}`;
    return new Promise((resolve, reject) => {
      const text = body === undefined ? null : Buffer.from(JSON.stringify(body));
      const headers: OutgoingHttpHeaders = {};
      if (text !== null) Object.assign(headers, { 'Content-Type': 'application/json', 'Content-Length': text.length });
      if (upload !== undefined) headers['Content-Type'] = 'application/x-tar';
      const sent = this.#request(method, path, query, headers, agent);
      limit(sent, timeoutMs);
      sent.on('response', (answer: IncomingMessage) => {
        sent.setTimeout(0);
        const { statusCode = 0 } = answer;
        if (statusCode >= 200 && statusCode < 300) resolve(answer);
        else failureOf(answer, call).then(reject, reject);
      });
      sent.on('error', (error) => reject(new DockerError(call, 0, error.message)));
      if (upload === undefined) sent.end(text ?? undefined);
      // What stops the source (a layer that cannot be read) is its own failure; what stops the request is told above.
      else pipeline(upload, sent).catch((error: Error) => reject(error));
    });
  }

  #request(
    method: string,
    path: string,
    query: Query,
    headers: OutgoingHttpHeaders,
    agent: Agent | false,
  ): ClientRequest {
    // What it speaks is asked in no version: a daemon that was exchanged for an older one refuses the last one's.
    const target = `${path === '/version' ? '' : this.#prefix}${path}${queryText(query)}`;
    return request({ socketPath: this.socket, method, path: target, headers: { Host: 'docker', ...headers }, agent });
  }

  #hold(stream: Readable | Duplex): void {
    this.#streams.add(stream);
    stream.once('close', () => this.#streams.delete(stream));
  }
}

function limit(sent: ClientRequest, timeoutMs: number): void {
  if (timeoutMs > 0) sent.setTimeout(timeoutMs, () => sent.destroy(new Error(`no answer within ${timeoutMs} ms`)));
}

/** `{"message": "…"}` in all that is not 2xx. */
async function failureOf(answer: IncomingMessage, call: string): Promise<DockerError> {
  const text = await textOf(answer, LARGEST_ERROR, call);
  let reason = text.trim();
  try {
    reason = (JSON.parse(text) as { message: string }).message;
  } catch {
    // Something between the daemon and us, or a daemon that is going down.
  }
  return new DockerError(call, answer.statusCode ?? 0, reason === '' ? `status ${answer.statusCode}` : reason);
}

async function textOf(answer: IncomingMessage, limit: number, call: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of answer) {
      bytes += (chunk as Buffer).length;
      if (bytes > limit) break;
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    throw new DockerError(call, 0, (error as Error).message);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Objects are JSON, as Docker wants its filters. */
function queryText(query: Query): string {
  const pairs = Object.entries(query).map(
    ([name, value]) => [name, typeof value === 'object' ? JSON.stringify(value) : `${value}`] as [string, string],
  );
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs)}`;
}

type ApiVersion = readonly [major: number, minor: number];

function parse(text: string): ApiVersion {
  const [major = 0, minor = 0] = text.split('.').map(Number);
  return [major, minor];
}

function compare(a: ApiVersion, b: ApiVersion): number {
  return a[0] - b[0] || a[1] - b[1];
}
