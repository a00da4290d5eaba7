import type { PrewarmResult, RegisteredFunction, WorkerHealth, WorkerStatus } from '../../../config/api.js';
import { IluvatarError } from '../../../core/errors.js';
import {
  type CleanRequest,
  type CleanResponse,
  type EstInvokeRequest,
  type EstInvokeResponse,
  type HealthResponse,
  type ListFunctionResponse,
  type PrewarmRequest,
  type PrewarmResponse,
  RpcHealthStatus,
  type StatusRequest,
  type StatusResponse,
} from '../../../rpc/gen/iluvatar_rpc.js';
import { control, type MethodContext, tidOf } from './context.js';
import { functionOf } from './function-names.js';
import { devicesIn } from './registration.js';

/** What the original answers beside invocations and registrations: one small function per method, request into a call of the control plane and back. */

/** One container, or `count`, for each device that is asked for, one device after the other; without any for the function's first. */
export async function prewarm(context: MethodContext, request: PrewarmRequest): Promise<PrewarmResponse> {
  const { functionName: name, functionVersion: version, compute } = request;
  const devices = devicesIn(compute);
  let containers = 0;
  let attempts = 0;
  try {
    if (compute !== 0 && devices.length === 0) {
      throw new IluvatarError('invalid', `compute ${compute} names no device of this worker: CPU = 1, GPU = 2`);
    }
    const count = request.count === 0 ? 1 : request.count;
    const common = { name, version, count, ...tidOf(request.transactionId) };
    for (const device of devices.length === 0 ? [undefined] : devices) {
      const params = device === undefined ? common : { ...common, device };
      const made = (await control(context, 'prewarm', params)) as PrewarmResult;
      containers += made.containers;
      attempts += made.attempts;
    }
    return { success: true, message: '', containers, attempts };
  } catch (error) {
    if (!(error instanceof IluvatarError)) throw error;
    return { success: false, message: JSON.stringify({ Error: error.message }), containers, attempts };
  }
}

export async function list(context: MethodContext): Promise<ListFunctionResponse> {
  const functions = (await control(context, 'list', {})) as RegisteredFunction[];
  return {
    functions: functions.map(({ name, version, image }) => ({
      functionName: name,
      functionVersion: version,
      imageName: image ?? '',
    })),
  };
}

export async function status(context: MethodContext, { details }: StatusRequest): Promise<StatusResponse> {
  const status = (await control(context, 'status', {})) as WorkerStatus;
  const { memory, queues, host } = status;
  return {
    cpuQueueLen: queues.cpu.length,
    gpuQueueLen: queues.gpu.length,
    usedMemPct: memory.budgetMb > 0 ? memory.totalMb / memory.budgetMb : 0,
    cpuUtil: host.cpuPercent,
    cpuLoadAvg: host.loadPerCore,
    gpuLoadAvg: gpuLoad(status, context.config.gpu.concurrency),
    numRunningFuncs: status.running,
    workerName: status.name,
    timestamp: Math.floor(Date.now() / 1000),
    statusJson: details ? JSON.stringify(status) : '',
  };
}

/** Seconds of work that wait for each run that the GPUs take at once. */
function gpuLoad({ queues, gpus }: WorkerStatus, concurrency: number): number {
  const atOnce = gpus.filter(({ present }) => present).length * concurrency;
  return atOnce === 0 ? 0 : queues.gpu.expectedUs / 1e6 / atOnce;
}

export async function health(context: MethodContext): Promise<HealthResponse> {
  const { healthy } = (await control(context, 'health', {})) as WorkerHealth;
  return { status: healthy ? RpcHealthStatus.HEALTHY : RpcHealthStatus.UNHEALTHY };
}

export async function clean(context: MethodContext, { transactionId }: CleanRequest): Promise<CleanResponse> {
  await control(context, 'clean', tidOf(transactionId));
  return {};
}

/** Seconds, in the order of the names; 0 for what is not registered or never ran. */
export async function estInvokeTime(context: MethodContext, { fqdns }: EstInvokeRequest): Promise<EstInvokeResponse> {
  const names = fqdns.map((fqdn) => functionOf(fqdn, context.gateway));
  const functions = names.filter((name) => name !== null);
  if (functions.length === 0) return { estTime: names.map(() => 0) };
  const { estimates } = (await control(context, 'estimate', { functions })) as { estimates: number[] };
  let next = 0;
  return { estTime: names.map((name) => (name === null ? 0 : (estimates[next++] ?? 0))) };
}
