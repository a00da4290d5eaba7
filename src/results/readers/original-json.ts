import { basename } from 'node:path';
import { blankRow, type LoadRow } from '../load-row.js';
import type { RowSource } from './row-source.js';

/** What the original's load generator writes as JSON. It held all of it in memory, and so does this. */

type Json = Record<string, unknown>;

/** `ContainerState` of its messages, by number or by name; what is not here is none. */
const STATES: Readonly<Record<string, string>> = {
  2: 'cold',
  3: 'prewarm',
  4: 'warm',
  COLD: 'cold',
  PREWARM: 'prewarm',
  WARM: 'warm',
  Cold: 'cold',
  Prewarm: 'prewarm',
  Warm: 'warm',
};

/** A list of invocations, `output-full-*.json`. */
export function openOriginalJson(file: string, list: readonly unknown[]): RowSource {
  const starts = list.map((item) => startOf(object(item)));
  const timed = starts.length > 0 && starts.every((us) => us !== null);
  const first = timed ? starts.reduce((least: number, us) => Math.min(least, us as number), Number.MAX_VALUE) : 0;
  return {
    kind: 'original-json',
    file,
    timed,
    async *rows(): AsyncGenerator<Readonly<LoadRow>> {
      for (const [i, item] of list.entries()) {
        yield invocationRow(blankRow(), object(item), timed ? (starts[i] as number) - first : 0);
      }
    },
  };
}

/** Steps of a scaling run, `<clients>.json` each: lists of {thread_id, data: [invocation, …], errors}. */
export function openOriginalScaling(file: string, steps: readonly { file: string; threads: unknown }[]): RowSource {
  const all = steps.flatMap(({ file: step, threads }) => {
    const clients = Number(basename(step, '.json'));
    return list(threads).flatMap((thread, client) =>
      list(object(thread)['data']).map((item) => ({ clients, client, item: object(item) })),
    );
  });
  const starts = all.map(({ item }) => startOf(item));
  const timed = starts.length > 0 && starts.every((us) => us !== null);
  const first = timed ? starts.reduce((least: number, us) => Math.min(least, us as number), Number.MAX_VALUE) : 0;
  return {
    kind: 'original-scaling',
    file,
    timed,
    async *rows(): AsyncGenerator<Readonly<LoadRow>> {
      for (const [i, { clients, client, item }] of all.entries()) {
        const row = blankRow();
        row.clients = clients;
        row.client = client;
        yield invocationRow(row, item, timed ? (starts[i] as number) - first : 0);
      }
    },
  };
}

/** `worker_function_benchmarks.json`: lists of durations by function and device, cold and warm ones. */
export function openOriginalBenchmark(file: string, data: Json): RowSource {
  return {
    kind: 'original-benchmark',
    file,
    timed: false,
    async *rows(): AsyncGenerator<Readonly<LoadRow>> {
      for (const [name, value] of Object.entries(data)) {
        for (const [resource, lists] of Object.entries(object(object(value)['resource_data']))) {
          for (const state of ['cold', 'warm']) yield* benchmarkRows(name, resource, state, object(lists));
        }
      }
    },
  };
}

function* benchmarkRows(name: string, resource: string, state: string, lists: Json): Generator<LoadRow> {
  const of = (key: string): readonly unknown[] => list(lists[`${state}_${key}`]);
  const [results, latencies, durations] = [of('results_sec'), of('invoke_duration_us'), of('worker_duration_us')];
  for (let i = 0; i < results.length; i++) {
    const row = blankRow();
    // Those of a run through a controller are under each other's names; the caller's latency contains the worker's duration.
    const [a, b] = [number(latencies[i]), number(durations[i])];
    row.fn = name;
    row.device = resource.toLowerCase() === 'cpu' ? 'cpu' : `${resource.toLowerCase()}0`;
    row.state = state;
    row.outcome = 'ok';
    row.codeCold = state === 'cold' ? 1 : 0;
    row.codeUs = number(results[i], 1e6);
    row.runUs = Math.min(a, b);
    row.sentUs = 0;
    row.endUs = Math.max(a, b, row.codeUs);
    yield row;
  }
}

function invocationRow(row: LoadRow, item: Json, sentUs: number): LoadRow {
  const response = object(item['worker_response'] ?? item['controller_response']);
  const body = object(object(item['function_output'])['body']);
  const latency = number(item['client_latency_us']);
  const version = text(item['function_version']);
  row.tid = text(item['tid']);
  row.fn = version === '' ? text(item['function_name']) : `${text(item['function_name'])}@${version}`;
  row.arrivalUs = sentUs;
  row.sentUs = sentUs;
  row.endUs = sentUs + Math.max(0, latency);
  row.outcome = response['success'] === true ? 'ok' : 'user_error';
  row.state = STATES[String(response['container_state'] ?? '')] ?? '';
  row.device = response['compute'] === 2 ? 'gpu0' : 'cpu';
  row.runUs = number(response['duration_us']);
  row.codeUs = number(body['latency'], 1e6);
  row.codeCold = typeof body['cold'] === 'boolean' ? Number(body['cold']) : -1;
  if (row.outcome !== 'ok') row.error = text(response['json_result']);
  return row;
}

/** µs since 1970; null = it does not say. Its fraction may have nine digits, of which a Date takes three. */
function startOf(item: Json): number | null {
  const start = text(item['invoke_start']);
  const match = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(\.\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?$/.exec(start);
  if (match === null) return null;
  const [, date, time, fraction = '', zone = 'Z'] = match;
  const seconds = Date.parse(`${date}T${time}${zone === 'UTC' ? 'Z' : zone}`);
  return Number.isNaN(seconds) ? null : seconds * 1000 + Math.round(Number(`0${fraction}`) * 1e6);
}

function object(value: unknown): Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** -1 = none. */
function number(value: unknown, factor = 1): number {
  return typeof value === 'number' && value >= 0 ? Math.round(value * factor) : -1;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined || value === null ? '' : JSON.stringify(value);
}
