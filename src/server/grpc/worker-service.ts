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
import type { GrpcMethod, GrpcMethods } from './method.js';
import { invokeAsync, invokeAsyncCheck } from './methods/async.js';
import { type Decoder, type Encoder, unary } from './methods/codec.js';
import type { MethodContext } from './methods/context.js';
import { clean, estInvokeTime, health, list, prewarm, status } from './methods/control.js';
import { InvokeMethod } from './methods/invoke.js';
import { register } from './methods/register.js';

/** The methods of `iluvatar_rpc.IluvatarWorker`. */

export const WORKER_SERVICE = 'iluvatar_rpc.IluvatarWorker';

export function workerService(context: MethodContext): GrpcMethods {
  const method = <Request, Response>(
    request: Decoder<Request>,
    response: Encoder<Response>,
    handle: (context: MethodContext, request: Request) => Promise<Response>,
  ) => unary(request, response, (asked) => handle(context, asked));
  const methods: Record<string, GrpcMethod> = {
    ping: unary(PingRequest, PingResponse, () => ({ message: 'Pong' })),
    invoke: new InvokeMethod(context),
    invoke_async: method(InvokeAsyncRequest, InvokeAsyncResponse, invokeAsync),
    invoke_async_check: method(InvokeAsyncLookupRequest, InvokeResponse, invokeAsyncCheck),
    prewarm: method(PrewarmRequest, PrewarmResponse, prewarm),
    register: method(RegisterRequest, RegisterResponse, register),
    list_registered_funcs: method(ListFunctionRequest, ListFunctionResponse, list),
    status: method(StatusRequest, StatusResponse, status),
    health: method(HealthRequest, HealthResponse, health),
    clean: method(CleanRequest, CleanResponse, clean),
    est_invoke_time: method(EstInvokeRequest, EstInvokeResponse, estInvokeTime),
  };
  return new Map(Object.entries(methods).map(([name, method]) => [`/${WORKER_SERVICE}/${name}`, method]));
}
