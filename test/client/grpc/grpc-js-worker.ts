import { type handleUnaryCall, Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import {
  ContainerState,
  type IluvatarWorkerServer,
  IluvatarWorkerService,
  type InvokeRequest,
  type InvokeResponse,
} from '../../../src/rpc/gen/iluvatar_rpc.js';

export const INVOKED: InvokeResponse = {
  jsonResult: '{"greeting":"Hello"}',
  success: true,
  durationUs: 42,
  compute: 1,
  containerState: ContainerState.WARM,
  errorClass: '',
  errorMessage: '',
  transactionId: '',
  worker: '',
  backend: '',
  attempts: 0,
  queueUs: 0,
  createUs: 0,
  throttledUs: 0,
};

const REFUSED = { code: status.UNIMPLEMENTED };

export type Invoke = handleUnaryCall<InvokeRequest, InvokeResponse>;

/** A worker by grpc-js: what our client says to it is what a server of somebody else understands. */
export class GrpcJsWorker implements AsyncDisposable {
  readonly address: string;
  readonly #server: Server;

  private constructor(server: Server, address: string) {
    this.#server = server;
    this.address = address;
  }

  static async start(invoke: Invoke, address = '127.0.0.1:0'): Promise<GrpcJsWorker> {
    const server = new Server({ 'grpc.max_receive_message_length': 32 * 1024 * 1024 });
    const worker: IluvatarWorkerServer = {
      ping: ({ request }, callback) => callback(null, { message: `Pong ${request.message}` }),
      invoke,
      status: ({ request }, callback) =>
        callback(null, {
          cpuQueueLen: 2 ** 40,
          gpuQueueLen: 0,
          usedMemPct: 0.5,
          cpuUtil: 1.5,
          cpuLoadAvg: 0,
          gpuLoadAvg: 0,
          numRunningFuncs: 3,
          workerName: request.transactionId,
          timestamp: 1_700_000_000,
          statusJson: '',
        }),
      estInvokeTime: ({ request }, callback) => callback(null, { estTime: request.fqdns.map((_fqdn, i) => i / 2) }),
      listRegisteredFuncs: (_call, callback) =>
        callback(null, { functions: [{ functionName: 'hello', functionVersion: '1', imageName: '' }] }),
      clean: (_call, callback) => callback(null, {}),
      health: (_call, callback) => callback(null, { status: 1 }),
      register: ({ request }, callback) =>
        callback(null, {
          success: true,
          fqdn: `${request.functionName}-${request.archive.length}`,
          error: '',
          errorClass: '',
        }),
      prewarm: (_call, callback) => callback(REFUSED),
      invokeAsync: (_call, callback) => callback(REFUSED),
      invokeAsyncCheck: (_call, callback) => callback(REFUSED),
    };
    server.addService(IluvatarWorkerService, worker);
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    return new GrpcJsWorker(server, address.startsWith('unix:') ? address : `127.0.0.1:${port}`);
  }

  /** GOAWAY; what runs comes to its end. */
  drain(): Promise<void> {
    return new Promise((resolve) => this.#server.tryShutdown(() => resolve()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.forceShutdown();
  }
}

/** Trailers for an answer that fails. */
export function trailers(of: Record<string, string>): Metadata {
  const metadata = new Metadata();
  for (const [name, value] of Object.entries(of)) metadata.set(name, value);
  return metadata;
}
