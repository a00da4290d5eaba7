import { IluvatarError } from '../../core/index.js';
import { type InfluxServer, influxRequest } from '../push/influx-request.js';
import { httpDateOffset } from './clock-offset.js';
import { fluxRows } from './flux-csv.js';
import {
  type ClockOffset,
  type FetchedSeries,
  type Selection,
  type SeriesSource,
  type Window,
  within,
} from './series-source.js';

export interface InfluxSourceOptions extends InfluxServer {
  /** Bucket, or database. */
  readonly bucket: string;
  readonly org: string;
}

const DEFAULT_MEASUREMENTS = ['worker_load', 'worker_state'];

interface InfluxPoint {
  readonly field: string;
  readonly worker: string;
  readonly timeMs: number;
  readonly value: number;
}

/**
 * InfluxDB: InfluxQL of version 1, Flux of version 2. A series is a field of a measurement, `worker_load.cpu_util`; its worker is the tag `name`. `Selection.series` are measurements, or fields of
 * them.
 */
export class InfluxSource implements SeriesSource {
  readonly kind = 'influx';
  readonly stampedBy = 'worker';
  readonly address: string;
  readonly #options: InfluxSourceOptions;

  constructor(options: InfluxSourceOptions) {
    this.#options = options;
    this.address = `influx ${options.api} ${options.url}`;
  }

  clockOffset(signal: AbortSignal): Promise<ClockOffset> {
    return httpDateOffset(`${this.#options.url.replace(/\/$/, '')}/ping`, signal);
  }

  async fetch(window: Window, { series }: Selection, signal: AbortSignal): Promise<FetchedSeries[]> {
    const found = new Map<string, { series: string; worker: string; points: InfluxPoint[] }>();
    for (const wanted of series.length > 0 ? series : DEFAULT_MEASUREMENTS) {
      const [, measurement = wanted, field = ''] = /^([^.]+)\.(.+)$/.exec(wanted) ?? [];
      const ask = this.#options.api === 'v1' ? this.#influxQl : this.#flux;
      for (const point of await ask.call(this, measurement, field, window, signal)) {
        const name = `${measurement}.${point.field}`;
        const key = JSON.stringify([name, point.worker]);
        const one = found.get(key) ?? { series: name, worker: point.worker, points: [] };
        found.set(key, one);
        one.points.push(point);
      }
    }
    return [...found.values()]
      .map((one) => ({ ...one, points: within(one.points, window).sort((a, b) => a.timeMs - b.timeMs) }))
      .filter(({ points }) => points.length > 0);
  }

  async #influxQl(measurement: string, field: string, window: Window, signal: AbortSignal): Promise<InfluxPoint[]> {
    const q =
      `SELECT ${field === '' ? '*' : quoted(field)} FROM ${quoted(measurement)} ` +
      `WHERE time >= ${Math.floor(window.beginMs)}ms AND time <= ${Math.ceil(window.endMs)}ms GROUP BY "name"`;
    const text = await this.#ask('/query', { q, db: this.#options.bucket, epoch: 'ms' }, signal);
    const [result] = (JSON.parse(text) as { results?: InfluxQlResult[] }).results ?? [];
    if (result?.error !== undefined) throw new IluvatarError('invalid', `${this.address}: ${result.error}`);
    return (result?.series ?? []).flatMap(({ tags, columns, values }) =>
      // The first column is the time; tags are among the others, as text.
      values.flatMap(([timeMs, ...row]) =>
        row.flatMap((value, i) =>
          typeof value === 'number'
            ? [{ field: columns[i + 1] as string, worker: tags?.['name'] ?? '', timeMs: timeMs as number, value }]
            : [],
        ),
      ),
    );
  }

  async #flux(measurement: string, field: string, window: Window, signal: AbortSignal): Promise<InfluxPoint[]> {
    // The end of a range is not in it.
    const range = `start: ${instant(Math.floor(window.beginMs))}, stop: ${instant(Math.ceil(window.endMs) + 1)}`;
    const of = (name: string, value: string): string => `r.${name} == ${quoted(value)}`;
    const wanted = [of('_measurement', measurement), ...(field === '' ? [] : [of('_field', field)])].join(' and ');
    const query = `from(bucket: ${quoted(this.#options.bucket)}) |> range(${range}) |> filter(fn: (r) => ${wanted})`;
    const dialect = { header: true, annotations: ['datatype'] };
    const text = JSON.stringify({ query, type: 'flux', dialect });
    const body = { text, type: 'application/json', accept: 'application/csv' };
    const csv = await this.#ask('/api/v2/query', { org: this.#options.org }, signal, body);
    return fluxRows(csv).flatMap((row) => {
      const { _time: time = '', _value: value = '', _field: name = '', name: worker = '' } = row;
      const number = value === '' ? Number.NaN : Number(value);
      return Number.isFinite(number) ? [{ field: name, worker, timeMs: Date.parse(time), value: number }] : [];
    });
  }

  async #ask(
    path: string,
    parameters: Record<string, string>,
    signal: AbortSignal,
    body?: { text: string; type: string; accept: string },
  ): Promise<string> {
    const { status, text } = await influxRequest(this.#options, 'POST', path, parameters, signal, body).catch(
      (error: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw new IluvatarError('unavailable', (error as Error).message);
      },
    );
    if (status === 200) return text;
    // As told by either version.
    const { error, message } = told(text);
    const why = error ?? message ?? text.slice(0, 200);
    throw new IluvatarError(status === 400 ? 'invalid' : 'unavailable', `${this.address} answered ${status}: ${why}`);
  }
}

interface InfluxQlResult {
  readonly error?: string;
  readonly series?: readonly {
    readonly tags?: Readonly<Record<string, string>>;
    readonly columns: readonly string[];
    readonly values: readonly (readonly (number | string | boolean | null)[])[];
  }[];
}

function told(text: string): { error?: string; message?: string } {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Names of InfluxQL and texts of Flux are written alike. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, (character) => `\\${character}`)}"`;
}

function instant(ms: number): string {
  return new Date(ms).toISOString();
}
