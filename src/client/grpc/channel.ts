import type { OutgoingHttpHeaders } from 'node:http2';
import { IluvatarError } from '../../core/errors.js';
import { parseGrpcAddress } from './address.js';
import { Connector } from './connector.js';
import { compressed, framed, type MessageCodec } from './message.js';
import { type GrpcCallOptions, type GrpcClientOptions, type GrpcSettings, withDefaults } from './options.js';
import { UnaryCall } from './unary-call.js';

/** One method of a service: its path and its messages as ts-proto generates them. */
export interface UnaryMethod<Q, A> {
  readonly path: string;
  readonly request: MessageCodec<Q>;
  readonly response: MessageCodec<A>;
}

const NO_OPTIONS: GrpcCallOptions = {};

/** Unary calls of any service over one or several connections, which are made when they are wanted and again when they are lost. */
export class GrpcChannel {
  readonly address: string;
  readonly #authority: string;
  readonly #settings: GrpcSettings;
  readonly #connectors: Connector[];
  #turn = 0;

  /** Throws `invalid` for an address that is none. */
  constructor(address: string, options: GrpcClientOptions = {}) {
    const parsed = parseGrpcAddress(address);
    this.address = parsed.text;
    this.#authority = parsed.authority;
    this.#settings = withDefaults(options);
    const { connections } = this.#settings;
    this.#connectors = Array.from({ length: connections }, () => new Connector(parsed, this.#settings));
  }

  /** Resolves once all connections are there; rejects with `unavailable`. */
  async connected(): Promise<void> {
    await Promise.all(this.#connectors.map((connector) => connector.connection()));
  }

  /**
   * Rejects with an IluvatarError: of the class that the server names, else the one nearest to its status; `timeout`, `cancelled`; `unavailable` when there is no connection, or it is lost, then with
   * `mayHaveRun`. A call that the server has not touched (it refuses the stream, or is going away) is sent again.
   */
  async unary<Q, A>(method: UnaryMethod<Q, A>, message: Q, options: GrpcCallOptions = NO_OPTIONS): Promise<A> {
    const { timeoutMs = 0, signal } = options;
    const { compression, maxMessageBytes } = this.#settings;
    const frame = framed(method.request, message);
    const request = {
      headers: this.#headers(method.path, options),
      frame: compression === 'gzip' ? await compressed(frame) : frame,
      timeoutMs,
      signal,
      maxBytes: maxMessageBytes,
    };
    const connector = this.#connectors[this.#turn++ % this.#connectors.length] as Connector;
    const answer = await new Promise<Uint8Array>((resolve, reject) => {
      new UnaryCall(connector, request, resolve, reject);
    });
    try {
      return method.response.decode(answer);
    } catch (error) {
      throw new IluvatarError('internal', `the answer cannot be read: ${(error as Error).message}`);
    }
  }

  /** What is still in flight rejects with `unavailable`. */
  close(): void {
    for (const connector of this.#connectors) connector.close();
  }

  #headers(path: string, { timeoutMs = 0, metadata }: GrpcCallOptions): OutgoingHttpHeaders {
    const headers: OutgoingHttpHeaders = {
      ':method': 'POST',
      ':scheme': 'http',
      ':authority': this.#authority,
      ':path': path,
      te: 'trailers',
      'content-type': 'application/grpc',
      'grpc-accept-encoding': 'gzip,identity',
    };
    if (timeoutMs > 0) headers['grpc-timeout'] = timeoutHeader(timeoutMs);
    if (this.#settings.compression === 'gzip') headers['grpc-encoding'] = 'gzip';
    for (const [name, value] of Object.entries(metadata ?? {})) {
      headers[name] = typeof value === 'string' ? value : Buffer.from(value).toString('base64');
    }
    return headers;
  }
}

/** At most eight digits and a unit. Rounded up: the server shall not give up before we do. */
function timeoutHeader(ms: number): string {
  const micros = Math.ceil(ms * 1000);
  if (micros < 1e8) return `${micros}u`;
  if (ms < 1e8) return `${Math.ceil(ms)}m`;
  return `${Math.min(Math.ceil(ms / 1000), 99_999_999)}S`;
}
