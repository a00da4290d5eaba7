import { performance } from 'node:perf_hooks';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Metric, Registry } from 'prom-client';
import type { WatchedHealth, WorkerStatus } from '../../config/api.js';
import { ASYNC_METRICS } from './async-metrics.js';
import { FUNCTION_METRICS } from './function-metrics.js';
import { FunctionPlaces, type ObservedFunction } from './function-places.js';
import { INVOCATION_METRICS } from './invocation-metrics.js';
import { JETSON_METRICS } from './jetson-metrics.js';
import { HOST_METRICS, PROCESS_METRICS } from './machine-metrics.js';
import type { FunctionGauges, MetricDefinition, PushCounters, Scrape } from './metric.js';
import { BACKEND_METRICS, PUSH_METRICS, SUPERVISION_METRICS } from './part-metrics.js';
import type { ObservedInvocation } from './series.js';
import { STATUS_METRICS } from './status-metrics.js';

/**
 * The worker's Prometheus metrics. The worker calls `observe` at the end of each invocation and answers `MetricsSource` when a scraper asks; nothing else is
 * kept up to date in between, so an idle worker spends nothing on metrics.
 */

/** Asked once per scrape, on the thread that owns the numbers. */
export interface MetricsSource {
  status(): WorkerStatus;
  functions(): Iterable<FunctionGauges>;
  /** Threads and background tasks. */
  watched(): readonly WatchedHealth[];
  /** Servers that metrics are pushed to. */
  push(): readonly PushCounters[];
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** All there are, by what they are of. */
export const METRIC_GROUPS: readonly { readonly title: string; readonly metrics: readonly MetricDefinition[] }[] = [
  { title: 'Invocations', metrics: INVOCATION_METRICS },
  { title: 'Functions', metrics: FUNCTION_METRICS },
  { title: 'The worker', metrics: STATUS_METRICS },
  { title: 'Asynchronous invocations', metrics: ASYNC_METRICS },
  { title: 'Backends', metrics: BACKEND_METRICS },
  { title: 'Threads and background tasks', metrics: SUPERVISION_METRICS },
  { title: 'Push', metrics: PUSH_METRICS },
  { title: 'The machine', metrics: HOST_METRICS },
  { title: 'A Jetson', metrics: JETSON_METRICS },
  { title: 'The process', metrics: PROCESS_METRICS },
];

/** Functions with series of their own, unless told otherwise; `metrics.functions`. */
const FUNCTIONS = 100;
/** After so much of a scrape others on its thread have a turn. */
const TURN_MS = 1;

export class WorkerMetrics {
  readonly #source: MetricsSource;
  /** Made for the first scrape: most workers are started and stopped without one. */
  #registry: Promise<Registry> | null = null;
  readonly #places: FunctionPlaces;
  readonly #definitions = METRIC_GROUPS.flatMap(({ metrics }) => metrics);
  #scrape: Scrape | null = null;

  constructor(source: MetricsSource, functions = FUNCTIONS) {
    this.#source = source;
    this.#places = new FunctionPlaces(functions);
  }

  /** Counts a finished invocation. `fn` null = there is no such function. */
  observe(result: ObservedInvocation, fn: ObservedFunction | null): void {
    this.#places.observe(result, fn);
  }

  /** Drops the series of an unregistered function. */
  forget(fn: ObservedFunction): void {
    this.#places.forget(fn);
  }

  /** Of the functions with series of their own, and the sum of the others. */
  functions(): FunctionGauges[] {
    return this.#places.gauges(this.#source.functions());
  }

  /** Prometheus text, format 0.0.4. */
  async text(): Promise<string> {
    this.#registry ??= this.#makeRegistry();
    const registry = await this.#registry;
    const source = this.#source;
    const scrape: Scrape = {
      status: source.status(),
      functions: this.functions(),
      series: this.#places.series,
      watched: source.watched(),
      push: source.push(),
    };
    const families: string[] = [];
    let begun = performance.now();
    for (const { name } of this.#definitions) {
      // Read in this very turn, before anything is waited for: two scrapes at once do not mix, and a histogram agrees with itself.
      this.#scrape = scrape;
      const family = registry.getSingleMetricAsString(name);
      this.#scrape = null;
      families.push(await family);
      // Ten thousand series are tens of ms of work, which invocations are not to wait for.
      if (performance.now() - begun < TURN_MS) continue;
      await nextTurn();
      begun = performance.now();
    }
    return `${families.join('\n\n')}\n`;
  }

  /**
   * prom-client keeps its own copy of every value, updated through label look-ups at each observation. Its registry only needs an object that answers `get`, so ours
   * are made of the typed arrays when asked.
   */
  async #makeRegistry(): Promise<Registry> {
    const { Registry } = await import('prom-client');
    const registry = new Registry();
    for (const { name, help, kind: type, samples } of this.#definitions) {
      const get = async () => ({ name, help, type, values: this.#scrape === null ? [] : samples(this.#scrape) });
      registry.registerMetric({ name, help, type, aggregator: 'sum', get } as unknown as Metric);
    }
    return registry;
  }
}
