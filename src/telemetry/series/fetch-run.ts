import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IluvatarError } from '../../core/index.js';
import { type SeriesRow, seriesTable } from '../../results/series-row.js';
import { openSink } from '../../tables/open-sink.js';
import { httpDateOffset } from './clock-offset.js';
import type { ClockOffset, FetchedSeries, Selection, SeriesSource } from './series-source.js';

/** Series of exactly a run's window, beside its results. */

export interface RunWindow {
  /** Of the run's clock, on this machine's wall clock; µs since 1970. */
  readonly beginUnixUs: number;
  readonly endUnixUs: number;
}

export interface FetchOptions {
  /** Where the table goes. */
  readonly folder: string;
  /** Of the file; the kind of the source unless given. */
  readonly name?: string;
  readonly selection: Selection;
  /** HTTP address of a worker, whose clock stamps what workers push. */
  readonly workerClock?: string;
  readonly signal: AbortSignal;
}

/** Stored beside the table, as `<name>.json`. */
export interface FetchRecord {
  readonly format: 'iluvatar.series';
  readonly version: 1;
  readonly source: string;
  readonly selection: Selection;
  /** The run's, by this machine's clock; UTC. */
  readonly window: { readonly begin: string; readonly end: string };
  /** How far the source's clock is ahead of this machine's. */
  readonly sourceClock: ClockOffset;
  /** The same of the worker that was asked; null = none was. */
  readonly workerClock: ClockOffset | null;
  /** Taken off all times: of the clock that stamped them, where it is known; 0 = the clocks are taken to agree. */
  readonly correctedMs: number;
  readonly file: string;
  readonly series: readonly { readonly series: string; readonly worker: string; readonly points: number }[];
}

/**
 * Measures how far the clocks are apart, fetches, and writes `<name>.parquet` (table `series`) with its record beside it. A file is there whole or not at all. An offset that is smaller than what is known of it is none.
 * Rejects with an IluvatarError: `unavailable`, `invalid`, `not_found` when the source has nothing of that window.
 */
export async function fetchForRun(source: SeriesSource, run: RunWindow, options: FetchOptions): Promise<FetchRecord> {
  const { selection, signal, folder, name = source.kind } = options;
  const sourceClock = await source.clockOffset(signal);
  const workerClock = options.workerClock === undefined ? null : await httpDateOffset(options.workerClock, signal);
  const stamping = source.stampedBy === 'source' ? sourceClock : workerClock;
  const correctedMs =
    stamping !== null && Math.abs(stamping.offsetMs) > stamping.uncertaintyMs ? Math.round(stamping.offsetMs) : 0;
  const [beginMs, endMs] = [run.beginUnixUs / 1000 + correctedMs, run.endUnixUs / 1000 + correctedMs];
  const fetched = await source.fetch({ beginMs, endMs }, selection, signal);
  if (fetched.length === 0) {
    const from = new Date(beginMs).toISOString();
    const to = new Date(endMs).toISOString();
    throw new IluvatarError('not_found', `${source.address} has nothing of what was asked for from ${from} to ${to}`);
  }
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${name}.parquet`);
  await writeSeries(file, fetched, beginMs);
  const record: FetchRecord = {
    format: 'iluvatar.series',
    version: 1,
    source: source.address,
    selection,
    window: {
      begin: new Date(run.beginUnixUs / 1000).toISOString(),
      end: new Date(run.endUnixUs / 1000).toISOString(),
    },
    sourceClock,
    workerClock,
    correctedMs,
    file: `${name}.parquet`,
    series: fetched.map(({ series, worker, points }) => ({ series, worker, points: points.length })),
  };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(record, null, 2)}\n`);
  return record;
}

async function writeSeries(file: string, fetched: readonly FetchedSeries[], beginMs: number): Promise<void> {
  const partial = file.replace(/\.parquet$/, '.partial.parquet');
  try {
    const sink = await openSink(partial, seriesTable);
    try {
      const row: SeriesRow = { timeUs: 0, worker: '', series: '', value: 0 };
      for (const { series, worker, points } of fetched) {
        Object.assign(row, { series, worker });
        for (const { timeMs, value } of points) {
          // Whole µs; what rounding moves before the beginning belongs to it.
          row.timeUs = Math.max(0, Math.round((timeMs - beginMs) * 1000));
          row.value = value;
          sink.row(row);
        }
      }
    } finally {
      await sink.end();
    }
    renameSync(partial, file);
  } catch (error) {
    rmSync(partial, { force: true });
    throw error instanceof IluvatarError
      ? error
      : new IluvatarError('unavailable', `${file} cannot be written: ${(error as Error).message}`);
  }
}
