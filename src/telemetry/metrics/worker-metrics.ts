import { type Metric, Registry } from 'prom-client';
import type { WatchedHealth, WorkerStatus } from '../../config/api.js';
import { ERROR_CLASSES } from '../../core/errors.js';
import { ASYNC_METRICS } from './async-metrics.js';
import { BUCKETS, bucketBound, FunctionSeries, type Histogram, type ObservedInvocation, STATES } from './series.js';

/**
 * The worker's Prometheus metrics. The worker calls `observe` at the end of each invocation and answers `MetricsSource` when a scraper asks; nothing else is
 * kept up to date in between, so an idle worker spends nothing on metrics.
 */

/** What one function has at this moment. A `RegisteredFunction` is one. */
export interface FunctionGauges {
  readonly name: string;
  readonly version: string;
  readonly queued: number;
  readonly running: number;
  readonly containers: number;
  readonly memoryMb: number;
  readonly characteristics: { readonly memoryMb: number; readonly pageCacheMb: number };
}

/** Asked once per scrape, on the thread that owns the numbers. */
export interface MetricsSource {
  status(): WorkerStatus;
  functions(): Iterable<FunctionGauges>;
  /** Threads and background tasks. */
  watched(): readonly WatchedHealth[];
}

/** The function of an invocation, as the engine knows it: `index` is dense and may be given to another after unregistering. */
export interface ObservedFunction {
  readonly key: string;
  readonly index: number;
  readonly spec: { readonly name: string; readonly version: string };
}

interface Sample {
  value: number;
  labels?: Record<string, string | number>;
  metricName?: string;
}

type MetricKind = 'counter' | 'gauge' | 'histogram';

export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export class WorkerMetrics {
  readonly #source: MetricsSource;
  readonly #registry = new Registry();
  readonly #byIndex: (FunctionSeries | undefined)[] = [];
  readonly #keys: (string | undefined)[] = [];
  readonly #byKey = new Map<string, FunctionSeries>();
  /** Invocations of functions that do not exist; the labels stay empty, or any client could make up series. */
  readonly #unknown = new FunctionSeries('', '');
  #status: WorkerStatus | null = null;
  #functions: readonly FunctionGauges[] = [];

  constructor(source: MetricsSource) {
    this.#source = source;
    this.#addInvocations();
    this.#addFunctions();
    this.#addWorker();
    this.#addBackends();
    this.#addWatched();
    this.#addProcess();
  }

  /** Counts a finished invocation. `fn` null = there is no such function. */
  observe(result: ObservedInvocation, fn: ObservedFunction | null): void {
    if (fn === null) this.#unknown.observe(result);
    else if (this.#keys[fn.index] === fn.key) (this.#byIndex[fn.index] as FunctionSeries).observe(result);
    else this.#adopt(fn).observe(result);
  }

  /** Drops the series of an unregistered function. */
  forget(fn: ObservedFunction): void {
    this.#byKey.delete(fn.key);
    if (this.#keys[fn.index] !== fn.key) return;
    this.#keys[fn.index] = undefined;
    this.#byIndex[fn.index] = undefined;
  }

  /** Prometheus text, format 0.0.4. */
  async text(): Promise<string> {
    this.#status = this.#source.status();
    this.#functions = [...this.#source.functions()];
    return await this.#registry.metrics();
  }

  /** Registering again under a name keeps its counts, whatever index the engine gave it. */
  #adopt(fn: ObservedFunction): FunctionSeries {
    let series = this.#byKey.get(fn.key);
    if (series === undefined) {
      series = new FunctionSeries(fn.spec.name, fn.spec.version);
      this.#byKey.set(fn.key, series);
    }
    this.#byIndex[fn.index] = series;
    this.#keys[fn.index] = fn.key;
    return series;
  }

  #addInvocations(): void {
    this.#add('iluvatar_invocations_total', 'counter', 'Finished invocations by error class and container state', () =>
      [this.#unknown, ...this.#byKey.values()].flatMap(endSamples),
    );
    this.#add('iluvatar_invocation_retries_total', 'counter', 'Further attempts after platform failures', () =>
      [...this.#byKey.values()].map((series) => ({ labels: functionLabels(series), value: series.retries })),
    );
    this.#add(
      'iluvatar_invocation_throttled_seconds_total',
      'counter',
      'Time that CPU quotas held invocations back, summed over the cores',
      () =>
        [...this.#byKey.values()].map((series) => ({ labels: functionLabels(series), value: series.throttled / 1e6 })),
    );
    const histogram = (phase: 'queue' | 'start' | 'run', help: string): void => {
      const name = `iluvatar_invocation_${phase}_seconds`;
      this.#add(name, 'histogram', help, () =>
        [...this.#byKey.values()].flatMap((series) => histogramSamples(name, functionLabels(series), series[phase])),
      );
    };
    histogram('queue', 'Time from acceptance to leaving the queue');
    histogram('start', 'Time waiting for a container to be made; invocations that found one ready are not in it');
    histogram('run', 'Time inside the function, measured by its agent');
  }

  #addFunctions(): void {
    const gauge = (name: string, help: string, value: (fn: FunctionGauges) => number): void =>
      this.#add(name, 'gauge', help, () =>
        this.#functions.map((fn) => ({ labels: functionLabels(fn), value: value(fn) })),
      );
    gauge('iluvatar_function_queued', 'Queued invocations', (fn) => fn.queued);
    gauge('iluvatar_function_running', 'Running invocations', (fn) => fn.running);
    gauge('iluvatar_function_containers', 'Containers', (fn) => fn.containers);
    gauge('iluvatar_function_memory_bytes', 'Reserved memory per container', (fn) => fn.memoryMb * MIB);
    gauge(
      'iluvatar_function_memory_used_bytes',
      'Measured memory per container without page cache, a moving average',
      (fn) => fn.characteristics.memoryMb * MIB,
    );
    gauge(
      'iluvatar_function_page_cache_bytes',
      'Measured page cache per container, a moving average',
      (fn) => fn.characteristics.pageCacheMb * MIB,
    );
  }

  #addWorker(): void {
    const worker = (name: string, help: string, samples: (status: WorkerStatus) => Sample[]): void =>
      this.#add(name, 'gauge', help, () => (this.#status === null ? [] : samples(this.#status)));
    worker('iluvatar_worker_info', 'Name, version and state of the worker; always 1', ({ name, version, state }) => [
      { labels: { name, version, state }, value: 1 },
    ]);
    worker('iluvatar_worker_uptime_seconds', 'Time since the start', ({ uptimeS }) => [{ value: uptimeS }]);
    worker('iluvatar_functions', 'Registered functions', ({ functions }) => [{ value: functions }]);
    worker('iluvatar_queue_length', 'Queued invocations', ({ queue }) => [{ value: queue.length }]);
    worker('iluvatar_queue_limit', 'Most invocations that may be queued', ({ queue }) => [{ value: queue.limit }]);
    const queued = (name: string, help: string, value: (queue: WorkerStatus['queues']['cpu']) => number): void =>
      worker(name, help, ({ queues }) =>
        Object.entries(queues).map(([device, queue]) => ({ labels: { device }, value: value(queue) })),
      );
    queued('iluvatar_device_queue_length', 'Queued invocations by device', (queue) => queue.length);
    queued(
      'iluvatar_device_queue_expected_seconds',
      'Expected work queued by device',
      (queue) => queue.expectedUs / 1e6,
    );
    queued('iluvatar_device_throughput', 'Seconds of execution a second by device', (queue) => queue.throughput);
    const gpu = (name: string, help: string, value: (gpu: WorkerStatus['gpus'][number]) => number): void =>
      worker(name, help, ({ gpus }) => gpus.map((one) => ({ labels: { gpu: one.index }, value: value(one) })));
    gpu('iluvatar_gpu_up', 'Whether the GPU is there', (one) => (one.present ? 1 : 0));
    gpu('iluvatar_gpu_running', 'Invocations running on the GPU', (one) => one.running);
    gpu('iluvatar_gpu_containers', 'Containers attached to the GPU', (one) => one.containers);
    gpu('iluvatar_gpu_memory_reserved_bytes', 'Reserved device memory', (one) => one.reservedMb * MIB);
    gpu('iluvatar_gpu_utilization_ratio', 'Utilisation as last read, corrected since', (one) => one.utilization / 100);
    worker('iluvatar_cpu_slots', 'CPU slots by use', ({ cpu }) => [
      { labels: { state: 'used' }, value: cpu.used },
      { labels: { state: 'free' }, value: cpu.slots - cpu.used },
    ]);
    worker('iluvatar_memory_bytes', 'Reserved memory by use', ({ memory }) => [
      { labels: { state: 'running' }, value: memory.runningMb * MIB },
      { labels: { state: 'cached' }, value: memory.cachedMb * MIB },
    ]);
    worker('iluvatar_memory_budget_bytes', 'Memory that containers may reserve', ({ memory }) => [
      { value: memory.budgetMb * MIB },
    ]);
    worker('iluvatar_memory_overshoot_bytes', 'Used above reservations, under memory policy grow', ({ memory }) => [
      { value: memory.overshootMb * MIB },
    ]);
    worker('iluvatar_containers', 'Containers by use', ({ memory }) => [
      { labels: { state: 'running' }, value: memory.runningContainers },
      { labels: { state: 'cached' }, value: memory.cachedContainers },
    ]);
    worker('iluvatar_shard_restarts', 'Restarts of each shard since the start', ({ shards }) =>
      shards.map((shard) => ({ labels: { shard: shard.id }, value: shard.restarts })),
    );
    for (const { name, kind, help, samples } of ASYNC_METRICS) {
      this.#add(name, kind, help, () => (this.#status === null ? [] : samples(this.#status.async)));
    }
    this.#add('iluvatar_events_total', 'counter', "The worker's own counters by name", () =>
      Object.entries(this.#status?.counters ?? {}).map(([event, value]) => ({ labels: { event }, value })),
    );
  }

  #addBackends(): void {
    const each = (name: string, kind: MetricKind, help: string, counter: string): void =>
      this.#add(name, kind, help, () =>
        Object.entries(this.#status?.backends ?? {}).map(([backend, counters]) => ({
          labels: { backend },
          value: counters[counter] ?? 0,
        })),
      );
    each('iluvatar_backend_containers', 'gauge', 'Containers in any phase', 'containers');
    each('iluvatar_backend_creations_total', 'counter', 'Containers that were begun', 'creations');
    each('iluvatar_backend_creation_failures_total', 'counter', 'Of these, those that failed', 'creationsFailed');
    each('iluvatar_backend_avoided', 'gauge', 'Whether others are preferred after failures in a row', 'avoided');
    this.#add('iluvatar_backend_events_total', 'counter', "The backend's own counters by name", () =>
      Object.entries(this.#status?.backends ?? {}).flatMap(([backend, counters]) =>
        Object.entries(counters)
          .filter(([event]) => !ENGINE_COUNTERS.has(event))
          .map(([event, value]) => ({ labels: { backend, event }, value })),
      ),
    );
  }

  #addWatched(): void {
    const ends = (kind: WatchedHealth['kind']): Sample[] =>
      this.#source
        .watched()
        .filter((one) => one.kind === kind)
        .flatMap(({ name, causes }) =>
          Object.entries(causes).map(([cause, value]) => ({ labels: { name, cause }, value })),
        );
    this.#add('iluvatar_thread_restarts_total', 'counter', 'Threads started again, by what ended them', () =>
      ends('thread'),
    );
    this.#add('iluvatar_task_failures_total', 'counter', 'Failures of background tasks, by cause', () => ends('task'));
    this.#add('iluvatar_supervised_failing', 'gauge', 'Whether a thread or task keeps failing', () =>
      this.#source.watched().map(({ name, kind, failing }) => ({ labels: { name, kind }, value: failing ? 1 : 0 })),
    );
  }

  #addProcess(): void {
    const usage = (): Sample[] => {
      const { user, system } = process.cpuUsage();
      return [{ value: (user + system) / 1e6 }];
    };
    this.#add('process_cpu_seconds_total', 'counter', 'CPU time of the worker process', usage);
    this.#add('process_resident_memory_bytes', 'gauge', 'Resident memory of the worker process', () => [
      { value: process.memoryUsage.rss() },
    ]);
    this.#add('nodejs_heap_used_bytes', 'gauge', 'JavaScript heap in use in this thread', () => [
      { value: process.memoryUsage().heapUsed },
    ]);
  }

  /**
   * prom-client keeps its own copy of every value, updated through label look-ups at each observation. Its registry only needs an object that answers `get`, so ours
   * are made of the typed arrays when asked.
   */
  #add(name: string, type: MetricKind, help: string, values: () => Sample[]): void {
    const metric = { name, help, type, aggregator: 'sum', get: async () => ({ name, help, type, values: values() }) };
    this.#registry.registerMetric(metric as unknown as Metric);
  }
}

/** Of a backend, and metrics of their own. */
const ENGINE_COUNTERS = new Set(['containers', 'creations', 'creationsFailed', 'avoided']);
const MIB = 1024 * 1024;

function functionLabels(fn: { name: string; version: string }): { function: string; version: string } {
  return { function: fn.name, version: fn.version };
}

function endSamples(series: FunctionSeries): Sample[] {
  const samples: Sample[] = [];
  for (const [at, value] of series.ends.entries()) {
    if (value === 0) continue;
    const errorClass = ERROR_CLASSES[Math.floor(at / STATES.length)] as string;
    const state = STATES[at % STATES.length] as string;
    samples.push({ labels: { ...functionLabels(series), class: errorClass, state }, value });
  }
  return samples;
}

function histogramSamples(name: string, labels: Record<string, string>, histogram: Histogram): Sample[] {
  const samples: Sample[] = [];
  let below = 0;
  for (let index = 0; index < BUCKETS; index++) {
    below += histogram.buckets[index] as number;
    samples.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bucketBound(index) }, value: below });
  }
  samples.push({ metricName: `${name}_sum`, labels, value: histogram.sum / 1e6 });
  samples.push({ metricName: `${name}_count`, labels, value: below });
  return samples;
}
