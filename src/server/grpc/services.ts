import type { WorkerHealth } from '../../config/api.js';
import { HEALTH_SERVICE, healthService } from './health.js';
import type { GrpcMethods } from './method.js';
import { control, type MethodContext } from './methods/context.js';
import { REFLECTION_SERVICES, reflectionService } from './reflection.js';
import { WORKER_SERVICE, workerService } from './worker-service.js';

/** Everything that a worker serves over gRPC: its own service, and the standard ones beside it. */
export function services(context: MethodContext): GrpcMethods {
  const all = [WORKER_SERVICE, HEALTH_SERVICE, ...REFLECTION_SERVICES];
  const health = healthService({
    services: new Set(all),
    watchMs: context.config.grpc.healthWatchMs,
    isHealthy: async () => ((await control(context, 'health', {})) as WorkerHealth).healthy,
  });
  return new Map([...workerService(context), ...health, ...reflectionService(all)]);
}
