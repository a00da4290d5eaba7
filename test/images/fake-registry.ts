import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { digestOf } from '../../src/images/blobs.js';

/** A registry of one process that keeps everything in memory and misbehaves as told. */

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
}

/** Returns true when it has answered. */
export type Fault = (asked: Asked, response: ServerResponse, body: Buffer) => boolean;

export class FakeRegistry {
  readonly asked: Asked[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly uploads = new Map<string, Buffer>();
  fault: Fault = () => false;
  host = '';
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<FakeRegistry> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => registry.#answer(request, response, Buffer.concat(chunks)));
    });
    const registry = new FakeRegistry(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    registry.host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
    return registry;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** How often something was asked for. */
  count(method: string, path: RegExp): number {
    return this.asked.filter((one) => one.method === method && path.test(one.path)).length;
  }

  add(bytes: Buffer): string {
    const digest = digestOf(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    const asked = { method: request.method ?? '', path: url.pathname, headers: request.headers };
    this.asked.push(asked);
    if (this.fault(asked, response, body)) return;
    const [, kind = '', name = ''] = /\/(manifests|blobs\/uploads|blobs)\/([^/]*)$/.exec(url.pathname) ?? [];
    if (kind === 'manifests') this.#manifest(asked.method, name, body, response);
    else if (kind === 'blobs') this.#blob(asked, name, response);
    else this.#upload(asked, name, url, body, response);
  }

  #manifest(method: string, name: string, body: Buffer, response: ServerResponse): void {
    if (method === 'PUT') {
      this.manifests.set(name, body).set(digestOf(body), body);
      response.writeHead(201, { 'docker-content-digest': digestOf(body) }).end();
      return;
    }
    const bytes = this.manifests.get(name);
    if (bytes === undefined) refuse(response, 404, 'MANIFEST_UNKNOWN', 'manifest unknown');
    else response.writeHead(200, { 'docker-content-digest': digestOf(bytes) }).end(bytes);
  }

  #blob({ method, headers }: Asked, digest: string, response: ServerResponse): void {
    const bytes = this.blobs.get(digest);
    if (bytes === undefined) {
      refuse(response, 404, 'BLOB_UNKNOWN', 'blob unknown');
      return;
    }
    const from = Number(/^bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
    const part = bytes.subarray(from);
    response.writeHead(from > 0 ? 206 : 200, { 'content-length': part.length });
    response.end(method === 'HEAD' ? undefined : part);
  }

  #upload({ method, path }: Asked, id: string, url: URL, body: Buffer, response: ServerResponse): void {
    if (method === 'POST') {
      const fresh = `upload-${this.uploads.size}`;
      this.uploads.set(fresh, Buffer.alloc(0));
      response.writeHead(202, { location: `${path}${fresh}?state=0` }).end();
      return;
    }
    const had = this.uploads.get(id);
    if (had === undefined) {
      refuse(response, 404, 'BLOB_UPLOAD_UNKNOWN', 'upload unknown');
      return;
    }
    const position = { location: url.pathname + url.search, range: `0-${Math.max(had.length - 1, 0)}` };
    if (method === 'GET') {
      response.writeHead(204, position).end();
      return;
    }
    const bytes = Buffer.concat([had, body]);
    if (method === 'PATCH') {
      this.uploads.set(id, bytes);
      response.writeHead(202, { ...position, range: `0-${bytes.length - 1}` }).end();
      return;
    }
    this.uploads.delete(id);
    if (digestOf(bytes) !== url.searchParams.get('digest')) {
      refuse(response, 400, 'DIGEST_INVALID', 'wrong digest');
      return;
    }
    this.blobs.set(digestOf(bytes), bytes);
    response.writeHead(201).end();
  }
}

export function refuse(
  response: ServerResponse,
  status: number,
  code: string,
  message: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, headers).end(JSON.stringify({ errors: [{ code, message }] }));
}
