import { openTable } from '../tables/batches.js';

/**
 * Series beside results: what each series of a worker said at some moment of the run. A value holds from its moment until the next one, as a gauge that is read now and then does, but not
 * longer than `maxAgeUs`: what is older says nothing of the moment any more.
 */

export interface JoinedSeries {
  readonly series: string;
  /** Empty = of no worker in particular: it holds for all. */
  readonly worker: string;
  readonly points: readonly { readonly timeUs: number; readonly value: number }[];
}

export class SeriesJoin {
  readonly names: readonly string[];
  readonly workers: readonly string[];
  readonly #maxAgeUs: number;
  /** By worker, then by name; points by time. */
  readonly #byWorker = new Map<string, Map<string, JoinedSeries['points']>>();

  constructor(series: readonly JoinedSeries[], maxAgeUs = 60_000_000) {
    this.#maxAgeUs = maxAgeUs;
    for (const one of series) {
      const of = this.#byWorker.get(one.worker) ?? new Map<string, JoinedSeries['points']>();
      this.#byWorker.set(one.worker, of);
      of.set(
        one.series,
        [...one.points].sort((a, b) => a.timeUs - b.timeUs),
      );
    }
    this.names = [...new Set(series.map(({ series }) => series))].sort();
    this.workers = [...this.#byWorker.keys()].sort();
  }

  /** NaN = it had said nothing yet, or too long ago. `worker` empty where results do not say which: then the only worker that there is. */
  value(name: string, worker: string, timeUs: number): number {
    const known = worker === '' && this.workers.length === 1 ? (this.workers[0] as string) : worker;
    const points = this.#byWorker.get(known)?.get(name) ?? this.#byWorker.get('')?.get(name) ?? [];
    const point = points[lastNotAfter(points, timeUs)];
    return point === undefined || timeUs - point.timeUs > this.#maxAgeUs ? Number.NaN : point.value;
  }

  /** All series at one moment, by name; for one row of results: its worker and its arrival. */
  at(worker: string, timeUs: number): Record<string, number> {
    return Object.fromEntries(this.names.map((name) => [name, this.value(name, worker, timeUs)]));
  }

  /** For each second of the run and each worker, at the end of that second. */
  *seconds(durationUs: number): Generator<{ second: number; worker: string; values: Record<string, number> }> {
    for (let second = 0; second * 1e6 < durationUs; second++) {
      for (const worker of this.workers) yield { second, worker, values: this.at(worker, (second + 1) * 1e6 - 1) };
    }
  }
}

/** All points of tables of series (`series-row.ts`), of an experiment's `metrics` say; a few MiB for each 100,000 of them. Throws IluvatarError `not_found` or `invalid`. */
export async function readSeriesJoin(files: readonly string[], maxAgeUs?: number): Promise<SeriesJoin> {
  const found = new Map<string, { series: string; worker: string; points: { timeUs: number; value: number }[] }>();
  for (const file of files) {
    for await (const batch of (await openTable(file, ['worker', 'series'])).batches()) {
      const [times, workers, names, values] = ['time_us', 'worker', 'series', 'value'].map((name) =>
        batch.column(name),
      );
      for (let i = 0; i < batch.rows; i++) {
        const series = String(names?.[i] ?? '');
        const worker = String(workers?.[i] ?? '');
        const key = JSON.stringify([series, worker]);
        const one = found.get(key) ?? { series, worker, points: [] };
        found.set(key, one);
        one.points.push({ timeUs: Number(times?.[i]), value: Number(values?.[i]) });
      }
    }
  }
  return new SeriesJoin([...found.values()], maxAgeUs);
}

/** Index of the last point at or before `timeUs`; -1 = there is none. */
function lastNotAfter(points: JoinedSeries['points'], timeUs: number): number {
  let low = 0;
  let high = points.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((points[middle] as { timeUs: number }).timeUs <= timeUs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
