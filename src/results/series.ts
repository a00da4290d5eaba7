import { openTable } from '../tables/batches.js';

/** What was measured beside a run, by name and worker: memory, queues, whatever was fetched for its window. */
export interface Series {
  readonly series: string;
  /** Empty = it is not said of which. */
  readonly worker: string;
  readonly points: readonly SeriesPoint[];
}

export interface SeriesPoint {
  /** Since the beginning of the run. */
  readonly timeUs: number;
  readonly value: number;
}

/** More points than a picture is wide show nothing; a bounded number of them also bounds memory. */
const MOST_POINTS = 600;

/** A table of series (`time_us`, `worker`, `series`, `value`). Throws IluvatarError `invalid`. */
export async function readSeries(files: readonly string[]): Promise<Series[]> {
  const builder = new SeriesBuilder();
  for (const file of files) {
    for await (const batch of (await openTable(file)).batches()) {
      const [time, worker, name, value] = ['time_us', 'worker', 'series', 'value'].map((key) => batch.column(key));
      for (let i = 0; i < batch.rows; i++) {
        builder.add(String(name?.[i] ?? ''), String(worker?.[i] ?? ''), Number(time?.[i]), Number(value?.[i]));
      }
    }
  }
  return builder.series();
}

/** A table of seconds as the simulator writes it: each of its columns is a series. */
export async function readSeconds(file: string): Promise<Series[]> {
  const builder = new SeriesBuilder();
  const reader = await openTable(file);
  const names = reader.columns.filter((name) => name !== 'second');
  for await (const batch of reader.batches()) {
    const seconds = batch.column('second');
    for (const name of names) {
      const values = batch.column(name);
      for (let i = 0; i < batch.rows; i++) builder.add(name, '', Number(seconds?.[i]) * 1e6, Number(values?.[i]));
    }
  }
  return builder.series();
}

/** Keeps a bounded number of points of each series: when there are twice as many, each two become their mean. */
class SeriesBuilder {
  readonly #of = new Map<
    string,
    { series: string; worker: string; points: SeriesPoint[]; every: number; pending: SeriesPoint[] }
  >();

  add(series: string, worker: string, timeUs: number, value: number): void {
    if (series === '' || !Number.isFinite(timeUs) || !Number.isFinite(value)) return;
    const key = JSON.stringify([series, worker]);
    let one = this.#of.get(key);
    if (one === undefined) {
      one = { series, worker, points: [], every: 1, pending: [] };
      this.#of.set(key, one);
    }
    one.pending.push({ timeUs, value });
    if (one.pending.length < one.every) return;
    one.points.push(meanOf(one.pending));
    one.pending = [];
    if (one.points.length < 2 * MOST_POINTS) return;
    one.points = halved(one.points);
    one.every *= 2;
  }

  series(): Series[] {
    return [...this.#of.values()]
      .map(({ series, worker, points, pending }) => ({
        series,
        worker,
        points: pending.length === 0 ? points : [...points, meanOf(pending)],
      }))
      .sort((a, b) => (a.series + a.worker < b.series + b.worker ? -1 : 1));
  }
}

function halved(points: readonly SeriesPoint[]): SeriesPoint[] {
  return Array.from({ length: points.length / 2 }, (_, i) => meanOf(points.slice(2 * i, 2 * i + 2)));
}

function meanOf(points: readonly SeriesPoint[]): SeriesPoint {
  const mean = (of: (point: SeriesPoint) => number): number =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  return { timeUs: mean(({ timeUs }) => timeUs), value: mean(({ value }) => value) };
}
