import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { join } from 'node:path';

/**
 * A fake only in what it fails: stands between the client and a real containerd, and fails one chosen call in one way. All others pass unchanged.
 */
export const FAILURE_MODES = ['unavailable', 'internal', 'lost', 'cut'] as const;
/**
 * The daemon does not hear of it and is said to be away (`unavailable`) or to have failed (`internal`); it does it, and its answer is lost (`lost`), or with that all connections are
 * (`cut`).
 */
export type FailureMode = (typeof FAILURE_MODES)[number];

const UNAVAILABLE = 14;
const INTERNAL = 13;
/** Told, not asked. */
const UNCOUNTED = ['Events/Subscribe', 'Version/Version'];

export class FailingSocket {
  readonly path: string;
  readonly #server: Http2Server;
  readonly #sessions = new Set<ServerHttp2Session>();
  readonly #upstreams = new Set<ClientHttp2Session>();
  /** `Containers/Create`, … in order, since `arm`. */
  calls: string[] = [];
  #failAt = 0;
  #mode: FailureMode = 'unavailable';

  constructor(daemon: string, folder: string) {
    this.path = join(folder, 'failing.sock');
    this.#server = createServer();
    this.#server.on('session', (session) => {
      const upstream = connect('http://localhost', { createConnection: () => connectSocket(daemon) });
      this.#sessions.add(session);
      this.#upstreams.add(upstream);
      upstream.on('error', () => session.destroy());
      upstream.on('close', () => session.destroy());
      session.on('error', () => {});
      session.on('close', () => {
        this.#sessions.delete(session);
        this.#upstreams.delete(upstream);
        upstream.destroy();
      });
      session.on('stream', (stream, headers) => this.#stream(upstream, stream, headers));
    });
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(this.path, resolve));
  }

  /** The k-th call from now on, from 1, fails; 0 = none. */
  arm(failAt: number, mode: FailureMode = 'unavailable'): void {
    this.calls = [];
    this.#failAt = failAt;
    this.#mode = mode;
  }

  async close(): Promise<void> {
    for (const session of this.#sessions) session.destroy();
    for (const upstream of this.#upstreams) upstream.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #stream(upstream: ClientHttp2Session, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on('error', () => {});
    const fails = this.#next(headers[':path'] as string);
    const mode = this.#mode;
    if (fails && (mode === 'unavailable' || mode === 'internal')) {
      refuse(stream, mode === 'internal' ? INTERNAL : UNAVAILABLE);
      return;
    }
    if (upstream.destroyed) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const passed = upstream.request({ ...headers, ':authority': 'localhost' });
    stream.pipe(passed);
    passed.on('error', () => stream.close(constants.NGHTTP2_INTERNAL_ERROR));
    stream.on('close', () => passed.close());
    if (fails) {
      const lose = (): void => {
        passed.close();
        if (mode === 'lost') refuse(stream, UNAVAILABLE);
        else for (const session of this.#sessions) session.destroy();
      };
      // Of a stream of questions and answers it is the first that is lost.
      passed.once('data', lose);
      passed.once('close', lose);
      return;
    }
    let trailers: IncomingHttpHeaders = {};
    passed.on('response', (answer, flags) => {
      if (stream.destroyed) return;
      // An answer that is nothing but its status.
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0) stream.respond(answer, { endStream: true });
      else stream.respond(answer, { waitForTrailers: true });
    });
    passed.on('trailers', (last) => {
      trailers = last;
    });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    passed.on('data', (chunk) => stream.write(chunk));
    passed.on('end', () => stream.end());
  }

  #next(path: string): boolean {
    const call = path.split('.').at(-1) as string;
    if (UNCOUNTED.includes(call)) return false;
    this.calls.push(call);
    return this.calls.length === this.#failAt;
  }
}

function refuse(stream: ServerHttp2Stream, code: number): void {
  if (stream.destroyed || stream.headersSent) return;
  const headers = { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': `${code}` };
  stream.respond({ ...headers, 'grpc-message': 'a failure that the test has made' }, { endStream: true });
}
