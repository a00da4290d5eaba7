import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
} from '../../rpc/gen/grpc/health/v1/health.js';
import type { GrpcCall } from './grpc-call.js';
import { frameOf } from './message-reader.js';
import type { GrpcMethod, GrpcMethods, StreamHandler } from './method.js';
import { decoded, unary } from './methods/codec.js';
import { GrpcCode, GrpcFailure } from './status.js';

/** gRPC's standard health service (`grpc.health.v1`), for load balancers and probes. */

export const HEALTH_SERVICE = 'grpc.health.v1.Health';
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse_ServingStatus;
type ServingStatus = (typeof HealthCheckResponse_ServingStatus)[keyof typeof HealthCheckResponse_ServingStatus];

export interface HealthOptions {
  /** Full names of what is served; '' = all of it. */
  readonly services: ReadonlySet<string>;
  isHealthy(): Promise<boolean>;
  /** How often it is looked at for those who watch; ms. */
  readonly watchMs: number;
}

/** A request names a service. */
const MAX_REQUEST = 16 * 1024;

export function healthService(options: HealthOptions): GrpcMethods {
  const watchers = new Watchers(options);
  return new Map<string, GrpcMethod>([
    [
      `/${HEALTH_SERVICE}/Check`,
      unary(HealthCheckRequest, HealthCheckResponse, async ({ service }) => {
        if (!isKnown(service, options)) throw new GrpcFailure(GrpcCode.notFound, `there is no service "${service}"`);
        return { status: await statusNow(options) };
      }),
    ],
    [
      `/${HEALTH_SERVICE}/Watch`,
      { kind: 'streaming', maxMessageBytes: MAX_REQUEST, open: (call) => new Watch(call, options, watchers) },
    ],
  ]);
}

function isKnown(service: string, { services }: HealthOptions): boolean {
  return service === '' || services.has(service);
}

async function statusNow({ isHealthy }: HealthOptions): Promise<ServingStatus> {
  try {
    return (await isHealthy()) ? SERVING : NOT_SERVING;
  } catch {
    return NOT_SERVING;
  }
}

/** One look at the health for all who watch, and none when nobody does. */
class Watchers {
  readonly #options: HealthOptions;
  readonly #all = new Set<Watch>();
  #timer: NodeJS.Timeout | null = null;

  constructor(options: HealthOptions) {
    this.#options = options;
  }

  async add(watch: Watch): Promise<void> {
    this.#all.add(watch);
    this.#timer ??= setInterval(() => void this.#look(), this.#options.watchMs).unref();
    watch.tell(await statusNow(this.#options));
  }

  remove(watch: Watch): void {
    this.#all.delete(watch);
    if (this.#all.size > 0 || this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
  }

  async #look(): Promise<void> {
    const status = await statusNow(this.#options);
    for (const watch of this.#all) watch.tell(status);
  }
}

/** The status now, and each time it changes, until the caller leaves. */
class Watch implements StreamHandler {
  readonly #call: GrpcCall;
  readonly #options: HealthOptions;
  readonly #watchers: Watchers;
  #asked = false;
  #told: ServingStatus | null = null;

  constructor(call: GrpcCall, options: HealthOptions, watchers: Watchers) {
    this.#call = call;
    this.#options = options;
    this.#watchers = watchers;
    call.canceller = this;
  }

  message(message: Buffer): void {
    if (this.#asked) throw new GrpcFailure(GrpcCode.unimplemented, 'the method takes one message, and got more');
    this.#asked = true;
    const { service } = decoded(HealthCheckRequest.decode, message);
    // It may come to be known later, as the specification has it: the call stays open.
    if (isKnown(service, this.#options)) void this.#watchers.add(this);
    else this.tell(SERVICE_UNKNOWN);
  }

  ended(): void {
    if (!this.#asked) throw new GrpcFailure(GrpcCode.unimplemented, 'the method takes one message, and got none');
  }

  tell(status: ServingStatus): void {
    if (status === this.#told) return;
    this.#told = status;
    this.#call.send(frameOf(HealthCheckResponse.encode({ status }).finish()));
  }

  cancelled(): void {
    this.#watchers.remove(this);
  }
}
