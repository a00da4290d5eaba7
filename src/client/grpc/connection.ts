import { type ClientHttp2Session, type ClientHttp2Stream, connect, type OutgoingHttpHeaders } from 'node:http2';
import { IluvatarError } from '../../core/errors.js';
import type { GrpcAddress } from './address.js';
import type { GrpcSettings } from './options.js';

/** Node stops a session that holds more; large messages of many calls are what a client is for. MB. */
const SESSION_MEMORY_MB = 4096;
/** What a server may send before it is told to go on: for one call, and for all. The 64 KiB of HTTP/2 would make each large answer a dialogue. */
const STREAM_WINDOW = 1024 * 1024;
const SESSION_WINDOW = 16 * 1024 * 1024;

/** One HTTP/2 connection: from `opened` until it is lost, closed, or the server says that it is going away. */
export class Connection {
  /** Empty until it is lost. */
  lostBecause = '';
  readonly #session: ClientHttp2Session;
  readonly #keepAliveTimeoutMs: number;
  readonly #timer: NodeJS.Timeout | null;
  #calls = 0;
  /** The last call that a server which goes away deals with. */
  #lastStreamId = Number.POSITIVE_INFINITY;

  private constructor(session: ClientHttp2Session, settings: GrpcSettings) {
    this.#session = session;
    this.#keepAliveTimeoutMs = settings.keepAliveTimeoutMs;
    this.#timer = settings.keepAliveMs === 0 ? null : setInterval(() => this.#keepAlive(), settings.keepAliveMs);
    this.#timer?.unref();
    session.setLocalWindowSize(SESSION_WINDOW);
    session.on('goaway', (_code: number, lastStreamId: number) => {
      this.#lastStreamId = lastStreamId;
    });
    session.on('error', (error: Error) => {
      this.lostBecause = error.message;
    });
    session.once('close', () => {
      if (this.#timer !== null) clearInterval(this.#timer);
    });
  }

  /** Resolves once the server has sent its settings, which nothing but HTTP/2 would. Rejects with `unavailable`. */
  static opened(address: GrpcAddress, settings: GrpcSettings): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const session = connect(`http://${address.authority}`, {
        createConnection: () => address.open(),
        maxSessionMemory: SESSION_MEMORY_MB,
        settings: { enablePush: false, initialWindowSize: STREAM_WINDOW },
      });
      const fail = (why: string): void => {
        clearTimeout(timer);
        session.destroy();
        reject(new IluvatarError('unavailable', `no gRPC server at ${address.text}: ${why}`));
      };
      const timer = setTimeout(
        () => fail(`nothing answered within ${settings.connectTimeoutMs} ms`),
        settings.connectTimeoutMs,
      );
      const failed = (error: Error): void => fail(error.message);
      const closed = (): void => fail('the connection was closed at once');
      session.once('error', failed);
      session.once('close', closed);
      session.once('remoteSettings', () => {
        clearTimeout(timer);
        session.off('close', closed);
        resolve(new Connection(session, settings));
        session.off('error', failed);
      });
    });
  }

  /** Whether it takes further calls. */
  get open(): boolean {
    return !this.#session.closed && !this.#session.destroyed;
  }

  /** Whether nothing can come over it any more. */
  get lost(): boolean {
    return this.#session.destroyed;
  }

  request(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const stream = this.#session.request(headers, { endStream: false });
    this.#calls++;
    return stream;
  }

  /** Once for each `request`. */
  ended(): void {
    this.#calls--;
  }

  /** True for a call that the server, going away, has said it will not touch. */
  untouched(stream: ClientHttp2Stream): boolean {
    return stream.id === undefined || stream.id > this.#lastStreamId;
  }

  /** Takes no further calls; those that are open come to their end. */
  retire(): void {
    this.#session.close();
  }

  close(): void {
    this.lostBecause = 'the client was closed';
    this.#session.destroy();
  }

  #keepAlive(): void {
    if (this.#calls === 0 || !this.open) return;
    const timer = setTimeout(() => {
      // Calls hear that they are cut before the session says why.
      this.lostBecause = `no sign of life within ${this.#keepAliveTimeoutMs} ms`;
      this.#session.destroy();
    }, this.#keepAliveTimeoutMs);
    this.#session.once('close', () => clearTimeout(timer));
    this.#session.ping(() => clearTimeout(timer));
  }
}
