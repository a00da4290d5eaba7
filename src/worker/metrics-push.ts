import type { WorkerStatus } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import type { FunctionGauges, PushCounters } from '../telemetry/metrics/metric.js';
import { GraphiteSink } from '../telemetry/push/graphite-sink.js';
import { InfluxSink } from '../telemetry/push/influx-sink.js';
import { PushSender } from '../telemetry/push/push-sender.js';
import type { PushSink } from '../telemetry/push/sink.js';
import { workerPoints } from '../telemetry/push/worker-points.js';
import type { BackgroundTask } from './supervision/background-task.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/**
 * Pushes metrics to the servers of `metrics.push`. On the shard's thread, where the numbers are: a sample is a status and some lines of text every few seconds, all sending is the event loop's, and what hangs
 * tells nothing, which is what a server should see of a worker that hangs. Without a server there is no timer.
 */
export interface MetricsPushParts {
  readonly config: WorkerConfig;
  readonly supervision: ShardSupervision;
  status(): WorkerStatus;
  /** Those with series of their own. */
  functions(): readonly FunctionGauges[];
}

export class MetricsPush {
  readonly #parts: MetricsPushParts;
  readonly #senders: readonly PushSender[];
  readonly #task: BackgroundTask | null = null;
  #timer: NodeJS.Timeout | null = null;

  constructor(parts: MetricsPushParts) {
    const { config, supervision } = parts;
    const { push } = config.metrics;
    this.#parts = parts;
    const sinks: PushSink[] = [
      ...push.graphite.map((sink) => new GraphiteSink(sink, push.tags)),
      ...push.influx.map((sink) => new InfluxSink(sink)),
    ];
    this.#senders = sinks.map((sink) => {
      const { bufferPoints, batchPoints, timeoutMs, firstPauseMs: firstMs, longestPauseMs: longestMs } = push;
      const watched = supervision.task(`push to ${sink.address}`, { firstMs, longestMs });
      const task = { well: () => watched.running(), failed: (error: unknown) => watched.failed('lost', error) };
      return new PushSender({ sink, task, bufferPoints, batchPoints, timeoutMs, random: Math.random });
    });
    if (sinks.length > 0) this.#task = supervision.background('metrics-push');
  }

  start(): void {
    const task = this.#task;
    if (task === null) return;
    this.#timer = setInterval(() => task.run(() => this.#sample()), this.#parts.config.metrics.push.periodMs);
    this.#timer.unref();
  }

  counters(): PushCounters[] {
    return this.#senders.map((sender) => sender.counters());
  }

  /** For health; metrics that do not arrive take no worker out of service. */
  notes(): string[] {
    return this.counters()
      .filter(({ dropped }) => dropped > 0)
      .map(({ sink, dropped, waiting }) => `${dropped} points for ${sink} were dropped; ${waiting} wait for it`);
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    for (const sender of this.#senders) sender.close();
  }

  #sample(): void {
    const { config, status, functions } = this.#parts;
    const { push } = config.metrics;
    const now = status();
    const points = workerPoints({
      status: now,
      functions: push.functions ? functions() : [],
      tags: push.tags,
      timeMs: Date.now(),
      gpuTokens: now.gpus.filter(({ present }) => present).length * config.gpu.concurrency,
    });
    for (const sender of this.#senders) sender.add(points);
  }
}
