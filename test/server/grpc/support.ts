import { type ClientHttp2Session, connect, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http2';
import { credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { pino } from 'pino';
import { type WorkerConfigInput, workerConfigSchema } from '../../../src/config/schema.js';
import { IluvatarWorkerClient } from '../../../src/rpc/gen/iluvatar_rpc.js';
import { type GrpcEdge, startGrpcEdge } from '../../../src/server/grpc/edge.js';
import type { RegistrationFacts } from '../../../src/server/grpc/methods/registration.js';
import type { ScriptedGateway } from '../http/scripted-gateway.js';

/** An edge on a gateway of the test, clients for it, and their end. */

export const FACTS: RegistrationFacts = {
  limits: { memoryMinMb: 10, memoryMaxMb: 1000, cpusMax: 4 },
  gpus: 0,
  backends: ['process', 'containerd', 'docker'],
};

export class GrpcStage {
  readonly #ends: (() => unknown)[] = [];

  atEnd(end: () => unknown): void {
    this.#ends.push(end);
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0).reverse()) await end();
  }

  /** With a function `echo`, which answers its arguments, and `hold`, whose invocations the test settles. */
  async edge(gateway: ScriptedGateway, config: WorkerConfigInput['grpc'] = {}, fd?: number): Promise<GrpcEdge> {
    gateway.define('echo', '1', ({ args, settle }) => settle({ payload: Buffer.from(args) }));
    gateway.define('hold', '1', () => {});
    const edge = await startGrpcEdge({
      gateway,
      config: workerConfigSchema.parse({ name: 'w1', grpc: { enabled: true, port: 0, ...config } }),
      facts: () => FACTS,
      log: pino({ level: 'silent' }),
      ...(fd === undefined ? {} : { fd }),
    });
    this.atEnd(() => edge.close(0));
    return edge;
  }

  client(port: number, options: Record<string, unknown> = {}): IluvatarWorkerClient {
    // Not shared with other clients of the process: each has a connection of its own.
    const own = { 'grpc.use_local_subchannel_pool': 1, ...options };
    const client = new IluvatarWorkerClient(`127.0.0.1:${port}`, credentials.createInsecure(), own);
    this.atEnd(() => client.close());
    return client;
  }

  session(port: number): ClientHttp2Session {
    const session = connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    this.atEnd(() => session.destroy());
    return session;
  }
}

export const INVOKE = '/iluvatar_rpc.IluvatarWorker/invoke';

export function request(functionName: string, jsonArgs = '{}', transactionId = '') {
  return { functionName, functionVersion: '1', jsonArgs, transactionId, details: false };
}

type Unary<Request, Response> = (
  request: Request,
  metadata: Metadata,
  options: { deadline?: Date },
  callback: (error: ServiceError | null, response: Response) => void,
) => unknown;

/** A call as a promise. */
export function called<Request, Response>(
  method: Unary<Request, Response>,
  client: IluvatarWorkerClient,
  asked: Request,
  options: { deadline?: Date } = {},
  metadata = new Metadata(),
): Promise<Response> {
  return new Promise((resolve, reject) => {
    method.call(client, asked, metadata, options, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}

export interface RawAnswer {
  headers: IncomingHttpHeaders;
  trailers: IncomingHttpHeaders;
  body: Buffer;
  /** Of RST_STREAM. */
  rstCode: number;
}

/** Headers and DATA frames as given, and all that comes back. `keepOpen`: the stream is not ended from this side. */
export function raw(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  chunks: readonly Uint8Array[],
  { keepOpen = false } = {},
): Promise<RawAnswer> {
  const answer: RawAnswer = { headers: {}, trailers: {}, body: Buffer.alloc(0), rstCode: -1 };
  return new Promise((resolve) => {
    const stream = session.request(
      { ':method': 'POST', ':path': INVOKE, 'content-type': 'application/grpc', te: 'trailers', ...headers },
      { endStream: chunks.length === 0 && !keepOpen },
    );
    const parts: Buffer[] = [];
    stream.on('response', (got) => {
      answer.headers = got;
    });
    stream.on('trailers', (got) => {
      answer.trailers = got;
    });
    stream.on('data', (chunk: Buffer) => parts.push(chunk));
    stream.on('error', () => {});
    stream.on('close', () => resolve({ ...answer, body: Buffer.concat(parts), rstCode: stream.rstCode }));
    for (const chunk of chunks) stream.write(chunk);
    if (!keepOpen && chunks.length > 0) stream.end();
  });
}
