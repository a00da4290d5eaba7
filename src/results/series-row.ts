import { integer, type Table, text } from '../tables/columns.js';

/** One value that was measured beside a run: of a worker, at a moment of the run. */
export interface SeriesRow {
  /** µs since the beginning of the run, on the generator's clock. */
  timeUs: number;
  /** Empty = it is not said of which. */
  worker: string;
  series: string;
  value: number;
}

/** In the folder `metrics` of an experiment, a file for each place that series came from. In order of time for each series. */
export const seriesTable: Table<SeriesRow> = {
  name: 'series',
  version: 1,
  columns: [
    integer('time_us', 'µs', 'when it was measured, since the beginning of the run', (row) => row.timeUs),
    text('worker', 'that it is of; nothing = not said', (row) => row.worker, true),
    text('series', 'what was measured', (row) => row.series),
    { kind: 'decimal', name: 'value', unit: 'of the series', meaning: 'its value', get: (row) => row.value },
  ],
};
