import type { AsyncInvocation } from '../../../config/api.js';
import { IluvatarError } from '../../../core/errors.js';
import type {
  InvokeAsyncLookupRequest,
  InvokeAsyncRequest,
  InvokeAsyncResponse,
  InvokeResponse,
} from '../../../rpc/gen/iluvatar_rpc.js';
import type { TraceRequestHeaders } from '../../trace-headers.js';
import type { GrpcCall } from '../grpc-call.js';
import { control, type MethodContext, tidParameter } from './context.js';
import { energyFields } from './energy-fields.js';
import { COMPUTE, CONTAINER_STATE, errorJson, NOT_COMPLETED } from './words.js';

/** `invoke_async` and `invoke_async_check`, on the worker's durable asynchronous invocations: a result may be read again and again until it expires. */

export async function invokeAsync(
  context: MethodContext,
  request: InvokeAsyncRequest,
  call: GrpcCall,
): Promise<InvokeAsyncResponse> {
  const { functionName: name, functionVersion: version, jsonArgs, idempotencyKey } = request;
  const { traceparent, tracestate } = call.headers as TraceRequestHeaders;
  const params = {
    name,
    version,
    traceparent,
    tracestate,
    ...tidParameter(request.transactionId, call),
    ...(idempotencyKey === '' ? {} : { idempotencyKey }),
  };
  try {
    const body = jsonArgs === '' ? null : Buffer.from(jsonArgs);
    const { id } = (await control(context, 'invokeAsync', params, body)) as { id: string };
    return { lookupCookie: id, success: true, errorClass: '', errorMessage: '' };
  } catch (error) {
    if (!(error instanceof IluvatarError)) throw error;
    return { lookupCookie: '', success: false, errorClass: error.errorClass, errorMessage: error.message };
  }
}

/** Rejects with `not_found` for a cookie that nobody knows, or whose result has expired. */
export async function invokeAsyncCheck(
  context: MethodContext,
  { lookupCookie, details, waitMs }: InvokeAsyncLookupRequest,
): Promise<InvokeResponse> {
  const invocation = (await control(context, 'result', { id: lookupCookie, waitMs })) as AsyncInvocation;
  const answer = answerOf(invocation);
  return details ? { ...answer, ...detailsOf(invocation, context.config.name) } : answer;
}

const NO_DETAILS = {
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

function answerOf({ result, error, status }: AsyncInvocation): InvokeResponse {
  if (result !== null) {
    return {
      jsonResult: JSON.stringify(result.result),
      success: true,
      durationUs: result.phases.runUs,
      compute: COMPUTE[result.device ?? 'cpu'],
      containerState: CONTAINER_STATE[result.containerState],
      ...NO_DETAILS,
    };
  }
  const ended = status === 'failed' || status === 'dead';
  const jsonResult = ended ? errorJson(error?.message ?? 'the invocation failed').toString() : NOT_COMPLETED;
  return { jsonResult, success: false, durationUs: 0, compute: 0, containerState: 0, ...NO_DETAILS };
}

function detailsOf({ result, error, attempts }: AsyncInvocation, worker: string): Partial<InvokeResponse> {
  const { queueUs = 0, startUs: createUs = 0, throttledUs = 0 } = result?.phases ?? {};
  return {
    errorClass: error?.errorClass ?? '',
    errorMessage: error?.message ?? '',
    transactionId: result?.tid ?? '',
    worker,
    attempts,
    queueUs,
    createUs,
    throttledUs,
    ...energyFields(result?.energy),
  };
}
