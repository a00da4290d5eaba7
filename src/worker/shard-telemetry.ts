import type { WorkerConfig } from '../config/schema.js';
import type { FunctionRecord } from '../core/function-record.js';
import type { GatewayResult } from '../server/gateway.js';
import type { Log } from '../telemetry/logs/log.js';
import type { FunctionGauges } from '../telemetry/metrics/metric.js';
import { WorkerMetrics } from '../telemetry/metrics/worker-metrics.js';
import { MetricsPush } from './metrics-push.js';
import type { ShardReport } from './shard-report.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What a shard tells of its invocations: metrics, for who reads them and for servers that they are pushed to, and a line in the log. */
export interface ShardTelemetryParts {
  /** In force: live options change. */
  config(): WorkerConfig;
  readonly supervision: ShardSupervision;
  readonly log: Log;
  status(): ReturnType<ShardReport['status']>;
  functions(): Iterable<FunctionGauges>;
}

export class ShardTelemetry {
  readonly #parts: ShardTelemetryParts;
  readonly #metrics: WorkerMetrics;
  readonly #push: MetricsPush;

  constructor(parts: ShardTelemetryParts) {
    const { supervision, status, functions } = parts;
    const config = parts.config();
    this.#parts = parts;
    const source = { status, functions, watched: () => supervision.all(), push: () => this.#push.counters() };
    this.#metrics = new WorkerMetrics(source, config.metrics.functions);
    this.#push = new MetricsPush({ config, supervision, status, functions: () => this.#metrics.functions() });
  }

  start(): void {
    this.#push.start();
  }

  /** An invocation has ended. On the warm path. */
  observe(result: GatewayResult, fn: FunctionRecord | null): void {
    this.#metrics.observe(result, fn);
    const { config, log } = this.#parts;
    if (config().log.invocations) {
      const { tid, errorClass, state, queueUs, startUs, runUs, attempts, backend } = result;
      const fields = { tid, function: fn?.key, backend, errorClass, state, queueUs, startUs, runUs, attempts };
      log.info(fields, 'invocation');
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

  stop(): void {
    this.#push.stop();
  }
}
