import { IluvatarError } from '../../core/index.js';
import { type Column, invocationColumns, secondColumns } from './columns.js';
import { CsvSink } from './csv-sink.js';
import { JsonlSink } from './jsonl-sink.js';
import type { InvocationRow, RowSink, SecondRow } from './sink.js';

/** One row per invocation, in the format that the file's name ends in: `.csv`, `.jsonl` or `.parquet`. Throws IluvatarError `invalid`. */
export function openInvocationSink(path: string): Promise<RowSink<InvocationRow>> {
  return open(path, invocationColumns);
}

/** One row per second, likewise. */
export function openSecondSink(path: string): Promise<RowSink<SecondRow>> {
  return open(path, secondColumns);
}

async function open<Row>(path: string, columns: readonly Column<Row>[]): Promise<RowSink<Row>> {
  if (path.endsWith('.csv')) return new CsvSink(path, columns);
  if (path.endsWith('.jsonl')) return new JsonlSink(path, columns);
  if (path.endsWith('.parquet')) {
    const { ParquetSink } = await import('./parquet-sink.js');
    return new ParquetSink(path, columns);
  }
  throw new IluvatarError('invalid', `${path}: the name must end in .csv, .jsonl or .parquet`);
}
