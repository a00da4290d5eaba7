import { PingRequest, PingResponse } from '../../rpc/gen/iluvatar_rpc.js';
import { frameOf } from './message-reader.js';
import type { GrpcMethod, GrpcMethods, UnaryMethod } from './method.js';
import { decoded } from './methods/codec.js';
import type { MethodContext } from './methods/context.js';
import { InvokeMethod } from './methods/invoke.js';

/** The methods of `iluvatar_rpc.IluvatarWorker`. */

export const WORKER_SERVICE = 'iluvatar_rpc.IluvatarWorker';

export function workerService(context: MethodContext): GrpcMethods {
  const methods: Record<string, GrpcMethod> = {
    ping: ping(),
    invoke: new InvokeMethod(context),
  };
  return new Map(Object.entries(methods).map(([name, method]) => [`/${WORKER_SERVICE}/${name}`, method]));
}

function ping(): UnaryMethod {
  const pong = PingResponse.encode({ message: 'Pong' }).finish();
  return {
    kind: 'unary',
    serve: (call, message) => {
      decoded(PingRequest.decode, message);
      call.answer(frameOf(pong));
    },
  };
}
