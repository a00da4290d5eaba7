import {
  CleanRequest,
  CleanResponse,
  EstInvokeRequest,
  EstInvokeResponse,
  HealthRequest,
  HealthResponse,
  InvokeAsyncLookupRequest,
  InvokeAsyncRequest,
  InvokeAsyncResponse,
  InvokeRequest,
  InvokeResponse,
  ListFunctionRequest,
  ListFunctionResponse,
  PingRequest,
  PingResponse,
  PrewarmRequest,
  PrewarmResponse,
  RegisterRequest,
  RegisterResponse,
  StatusRequest,
  StatusResponse,
} from '../../rpc/gen/iluvatar_rpc.js';
import { GrpcChannel, type UnaryMethod } from './channel.js';
import type { MessageCodec } from './message.js';
import type { GrpcCallOptions, GrpcClientOptions } from './options.js';

/** A method whose request may leave fields out: they then have the values that the wire has for absent ones. */
interface WorkerMethod<Q, A> extends UnaryMethod<Q, A> {
  readonly absent: Q;
}

function method<Q, A>(name: string, request: MessageCodec<Q>, response: MessageCodec<A>): WorkerMethod<Q, A> {
  const path = `/iluvatar_rpc.IluvatarWorker/${name}`;
  return { path, request, response, absent: request.decode(new Uint8Array(0)) };
}

const PING = method('ping', PingRequest, PingResponse);
const PREWARM = method('prewarm', PrewarmRequest, PrewarmResponse);
const INVOKE = method('invoke', InvokeRequest, InvokeResponse);
const INVOKE_ASYNC = method('invoke_async', InvokeAsyncRequest, InvokeAsyncResponse);
const INVOKE_ASYNC_CHECK = method('invoke_async_check', InvokeAsyncLookupRequest, InvokeResponse);
const REGISTER = method('register', RegisterRequest, RegisterResponse);
const HEALTH = method('health', HealthRequest, HealthResponse);
const STATUS = method('status', StatusRequest, StatusResponse);
const CLEAN = method('clean', CleanRequest, CleanResponse);
const LIST = method('list_registered_funcs', ListFunctionRequest, ListFunctionResponse);
const ESTIMATE = method('est_invoke_time', EstInvokeRequest, EstInvokeResponse);

/**
 * A worker, ours or the original, spoken to by `iluvatar_rpc.IluvatarWorker`. Any number of calls may be in flight. Answers are what the wire says: one with `success: false` resolves.
 * Calls reject as `GrpcChannel.unary` does.
 */
export class GrpcWorkerClient implements Disposable {
  readonly #channel: GrpcChannel;

  /** `host:port`, `grpc://host:port` or `unix:/path`. Throws `invalid` for anything else; connects when it is first called, or by `connected`. */
  constructor(address: string, options: GrpcClientOptions = {}) {
    this.#channel = new GrpcChannel(address, options);
  }

  get address(): string {
    return this.#channel.address;
  }

  /** Resolves once all connections are there; rejects with `unavailable`. */
  connected(): Promise<void> {
    return this.#channel.connected();
  }

  ping(request: Partial<PingRequest> = {}, options?: GrpcCallOptions): Promise<PingResponse> {
    return this.#call(PING, request, options);
  }

  prewarm(request: Partial<PrewarmRequest>, options?: GrpcCallOptions): Promise<PrewarmResponse> {
    return this.#call(PREWARM, request, options);
  }

  invoke(request: Partial<InvokeRequest>, options?: GrpcCallOptions): Promise<InvokeResponse> {
    return this.#call(INVOKE, request, options);
  }

  invokeAsync(request: Partial<InvokeAsyncRequest>, options?: GrpcCallOptions): Promise<InvokeAsyncResponse> {
    return this.#call(INVOKE_ASYNC, request, options);
  }

  invokeAsyncCheck(request: Partial<InvokeAsyncLookupRequest>, options?: GrpcCallOptions): Promise<InvokeResponse> {
    return this.#call(INVOKE_ASYNC_CHECK, request, options);
  }

  register(request: Partial<RegisterRequest>, options?: GrpcCallOptions): Promise<RegisterResponse> {
    return this.#call(REGISTER, request, options);
  }

  health(request: Partial<HealthRequest> = {}, options?: GrpcCallOptions): Promise<HealthResponse> {
    return this.#call(HEALTH, request, options);
  }

  status(request: Partial<StatusRequest> = {}, options?: GrpcCallOptions): Promise<StatusResponse> {
    return this.#call(STATUS, request, options);
  }

  clean(request: Partial<CleanRequest> = {}, options?: GrpcCallOptions): Promise<CleanResponse> {
    return this.#call(CLEAN, request, options);
  }

  listRegisteredFuncs(
    request: Partial<ListFunctionRequest> = {},
    options?: GrpcCallOptions,
  ): Promise<ListFunctionResponse> {
    return this.#call(LIST, request, options);
  }

  estInvokeTime(request: Partial<EstInvokeRequest>, options?: GrpcCallOptions): Promise<EstInvokeResponse> {
    return this.#call(ESTIMATE, request, options);
  }

  /** What is still in flight rejects with `unavailable`. */
  close(): void {
    this.#channel.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #call<Q, A>(method: WorkerMethod<Q, A>, request: Partial<Q>, options?: GrpcCallOptions): Promise<A> {
    return this.#channel.unary(method, { ...method.absent, ...request }, options);
  }
}
