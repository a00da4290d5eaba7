import type { WorkerConfig } from '../config/schema.js';
import type { FunctionRecord } from '../core/function-record.js';
import type { GatewayResult } from '../server/gateway.js';
import { writeInvocationLine } from '../telemetry/logs/invocation-line.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import type { FunctionGauges } from '../telemetry/metrics/metric.js';
import { WorkerMetrics } from '../telemetry/metrics/worker-metrics.js';
import type { InvocationObserver } from '../telemetry/tracing/invocation-observer.js';
import { MetricsPush } from './metrics-push.js';
import type { ShardReport } from './shard-report.js';
import { createInvocationObserver } from './shard-tracing.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What a shard tells of its invocations and itself: metrics, for who reads them and for servers that they are pushed to, traces, and lines in the log. */
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
  readonly #log: Log;
  /** Null = nobody follows invocations. */
  readonly spans: InvocationObserver | null;

  constructor(parts: ShardTelemetryParts) {
    const { supervision, log, status, functions } = parts;
    const config = parts.config();
    this.#parts = parts;
    const source = { status, functions, watched: () => supervision.all(), push: () => this.#push.counters() };
    this.#metrics = new WorkerMetrics(source, config.metrics.functions);
    this.#push = new MetricsPush({ config, supervision, status, functions: () => this.#metrics.functions() });
    this.#log = moduleLog(log, 'worker');
    this.spans = createInvocationObserver(config, supervision, log);
  }

  start(): void {
    this.#push.start();
  }

  /** An invocation has ended. On the warm path. */
  observe(result: GatewayResult, fn: FunctionRecord | null): void {
    this.#metrics.observe(result, fn);
    if (this.#parts.config().log.invocations) writeInvocationLine(this.#log, result, fn);
  }

  /** What functions have got of an interval's energy; µJ. */
  energy(functions: ReadonlyMap<FunctionRecord, number>): void {
    for (const [fn, microjoules] of functions) this.#metrics.energy(fn, microjoules);
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

  stop(): void {
    this.#push.stop();
  }

  /** What is still to be sent is sent, within its limits. After `stop`, when nothing ends any more. */
  async close(): Promise<void> {
    await this.spans?.close();
  }
}
