import { IluvatarError } from '../../core/index.js';
import { type ClockReading, offsetOf, reach } from './clock-offset.js';
import type { ClockOffset, FetchedSeries, Selection, SeriesSource, Window } from './series-source.js';

/** What is asked for unless said otherwise: the state of workers, not of their single functions. */
const DEFAULT_QUERIES = [
  'iluvatar_queue_length',
  'iluvatar_memory_bytes',
  'iluvatar_containers',
  'iluvatar_cpu_slots',
  'iluvatar_invocations_in_progress',
  'iluvatar_host_load1',
  'iluvatar_events_total{event=~"succeeded|userErrors|failed|timeouts|overloaded|cold|prewarm|warm|containersEvicted"}',
];
/** More points than Prometheus gives at once; below its limit of 11,000. */
const POINTS_AT_ONCE = 10_000;
const LOOKS = 5;

interface Matrix {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [seconds: number, value: string])[];
}

/**
 * Prometheus. Of a plain selector it gives the samples as they were scraped, with their own times; every other expression is computed by `query_range`, step by step, and at each step
 * reaches back to the last sample, which may be from before the window.
 */
export class PrometheusSource implements SeriesSource {
  readonly kind = 'prometheus';
  readonly stampedBy = 'source';
  readonly address: string;
  readonly #url: string;

  constructor(url: string) {
    this.#url = url.replace(/\/$/, '');
    this.address = `prometheus ${this.#url}`;
  }

  /** `time()` is the moment at which the server evaluates it, to the millisecond. */
  async clockOffset(signal: AbortSignal): Promise<ClockOffset> {
    const readings: ClockReading[] = [];
    for (let look = 0; look < LOOKS; look++) {
      const beforeMs = Date.now();
      const data = await this.#ask('query', { query: 'time()' }, signal);
      const afterMs = Date.now() + 1;
      const atMs = Number((data as { result: [number, string] }).result[1]) * 1000;
      readings.push({ beforeMs, afterMs, earliestMs: atMs, latestMs: atMs + 1 });
    }
    return offsetOf(readings, `time() of ${LOOKS} queries`);
  }

  async fetch(window: Window, { series, stepMs }: Selection, signal: AbortSignal): Promise<FetchedSeries[]> {
    const workers = await this.#workers(window, signal);
    const found: FetchedSeries[] = [];
    for (const query of series.length > 0 ? series : DEFAULT_QUERIES) {
      const rows = SELECTOR.test(query)
        ? await this.#samples(query, window, signal)
        : await this.#computed(query, window, stepMs, signal);
      for (const { name, metric, points } of rows) {
        if (points.length === 0) continue;
        const { instance = '' } = metric;
        found.push({ series: name, worker: workers.get(instance) ?? instance, points });
      }
    }
    return found;
  }

  /** Names of workers by the address that they were scraped at. */
  async #workers(window: Window, signal: AbortSignal): Promise<Map<string, string>> {
    const rows = await this.#samples('iluvatar_worker_info', window, signal);
    return new Map(rows.map(({ metric: { instance = '', name = '' } }) => [instance, name]));
  }

  async #samples(selector: string, window: Window, signal: AbortSignal): Promise<Row[]> {
    // A range selector leaves out neither end; both are whole ms.
    const range = Math.max(1, Math.ceil(window.endMs) - Math.floor(window.beginMs));
    const query = `${selector}[${range}ms]`;
    const data = await this.#ask('query', { query, time: String(Math.ceil(window.endMs) / 1000) }, signal);
    return rowsOf(selector, [(data as { result: Matrix[] }).result]);
  }

  async #computed(query: string, window: Window, stepMs: number, signal: AbortSignal): Promise<Row[]> {
    const parts: Matrix[][] = [];
    const end = Math.floor(window.endMs);
    for (let begin = Math.ceil(window.beginMs); begin <= end; begin += stepMs * POINTS_AT_ONCE) {
      const until = Math.min(end, begin + stepMs * (POINTS_AT_ONCE - 1));
      const range = { start: String(begin / 1000), end: String(until / 1000), step: String(stepMs / 1000) };
      const data = await this.#ask('query_range', { query, ...range }, signal);
      parts.push((data as { result: Matrix[] }).result);
    }
    return rowsOf(query, parts);
  }

  async #ask(path: string, parameters: Record<string, string>, signal: AbortSignal): Promise<unknown> {
    const body = new URLSearchParams(parameters);
    const response = await reach(`${this.#url}/api/v1/${path}`, signal, { method: 'POST', body });
    const text = await response.text();
    let answer: { status?: string; error?: string; data?: unknown } = {};
    try {
      answer = JSON.parse(text);
    } catch {
      // Not Prometheus, or a proxy before it.
    }
    if (answer.status === 'success') return answer.data;
    const errorClass = response.status === 400 || response.status === 422 ? 'invalid' : 'unavailable';
    throw new IluvatarError(
      errorClass,
      `${this.address} answered ${response.status}: ${answer.error ?? text.slice(0, 200)}`,
    );
  }
}

interface Row {
  /** With its labels, but those that say where it was scraped. */
  readonly name: string;
  readonly metric: Matrix['metric'];
  readonly points: { readonly timeMs: number; readonly value: number }[];
}

/** A name, and labels if any: what needs no computing. */
const SELECTOR = /^[A-Za-z_:][A-Za-z0-9_:]*(\{[^}]*\})?$/;

/** Each once, whatever number of answers it is spread over. Where it has no name, the query is it. */
function rowsOf(query: string, answers: readonly Matrix[][]): Row[] {
  const rows = new Map<string, Row>();
  for (const { metric, values } of answers.flat()) {
    const { __name__: name = query, instance: _instance, job: _job, ...labels } = metric;
    const key = JSON.stringify(metric);
    const text = Object.entries(labels)
      .map(([label, value]) => `${label}="${value}"`)
      .join(',');
    const row = rows.get(key) ?? { metric, name: text === '' ? name : `${name}{${text}}`, points: [] };
    rows.set(key, row);
    for (const [seconds, value] of values) row.points.push({ timeMs: seconds * 1000, value: Number(value) });
  }
  return [...rows.values()];
}
