import type { WorkerConfig } from '../config/schema.js';
import { IluvatarError } from '../core/errors.js';
import type { FunctionRecord } from '../core/function-record.js';
import type { GatewayResult } from '../server/gateway.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import { STABLE_MESSAGES } from '../telemetry/logs/messages.js';
import type { FunctionGauges } from '../telemetry/metrics/metric.js';
import { WorkerMetrics } from '../telemetry/metrics/worker-metrics.js';
import type { WorkerProfile } from '../telemetry/profile/capture.js';
import type { ProfileRequest } from '../telemetry/profile/cpu-profile.js';
import type { InvocationObserver } from '../telemetry/tracing/invocation-observer.js';
import type { LifecyclePool } from './lifecycle/pool.js';
import { MetricsPush } from './metrics-push.js';
import { Profiler } from './profiler.js';
import type { ShardReport } from './shard-report.js';
import { createInvocationObserver } from './shard-tracing.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What a shard tells of its invocations and itself: metrics, for who reads them and for servers that they are pushed to, traces, lines in the log, and profiles. */
export interface ShardTelemetryParts {
  /** In force: live options change. */
  config(): WorkerConfig;
  readonly supervision: ShardSupervision;
  readonly lifecycle: LifecyclePool;
  readonly log: Log;
  status(): ReturnType<ShardReport['status']>;
  functions(): Iterable<FunctionGauges>;
  /** The main thread's profile. */
  askMain(request: ProfileRequest): Promise<unknown>;
}

export class ShardTelemetry {
  readonly #parts: ShardTelemetryParts;
  readonly #metrics: WorkerMetrics;
  readonly #push: MetricsPush;
  readonly #profiler: Profiler;
  readonly #log: Log;
  /** Null = nobody follows invocations. */
  readonly spans: InvocationObserver | null;

  constructor(parts: ShardTelemetryParts) {
    const { supervision, lifecycle, log, status, functions, askMain } = parts;
    const config = parts.config();
    this.#parts = parts;
    const source = { status, functions, watched: () => supervision.all(), push: () => this.#push.counters() };
    this.#metrics = new WorkerMetrics(source, config.metrics.functions);
    this.#push = new MetricsPush({ config, supervision, status, functions: () => this.#metrics.functions() });
    this.#log = moduleLog(log, 'worker');
    this.spans = createInvocationObserver(config, supervision, log);
    this.#profiler = new Profiler({ worker: config.name, threads: config.threads, lifecycle, askMain });
  }

  start(): void {
    this.#push.start();
  }

  /** An invocation has ended. On the warm path. */
  observe(result: GatewayResult, fn: FunctionRecord | null): void {
    this.#metrics.observe(result, fn);
    if (this.#parts.config().log.invocations) {
      const { tid, errorClass, state, queueUs, startUs, runUs, attempts, backend } = result;
      const fields = { tid, function: fn?.key, backend, errorClass, state, queueUs, startUs, runUs, attempts };
      this.#log.info(fields, STABLE_MESSAGES.invocation);
    }
  }

  /** It is registered no more. */
  forget(fn: FunctionRecord): void {
    this.#metrics.forget(fn);
  }

  /** Prometheus text. */
  text(): Promise<string> {
    return this.#metrics.text();
  }

  /** For health. */
  notes(): string[] {
    return this.#push.notes();
  }

  counters(): Record<string, number> {
    return { ...this.spans?.counters() };
  }

  /** What the threads do for so long. Rejects with `unavailable` unless it is allowed. */
  async profile(request: ProfileRequest, threads?: readonly string[]): Promise<WorkerProfile> {
    if (!this.#parts.config().profiling.enabled) {
      throw new IluvatarError('unavailable', 'this worker may not be profiled (profiling.enabled)');
    }
    return await this.#profiler.take(request, threads);
  }

  stop(): void {
    this.#push.stop();
  }

  /** What is still to be sent is sent, within its limits. After `stop`, when nothing ends any more. */
  async close(): Promise<void> {
    await this.spans?.close();
  }
}
