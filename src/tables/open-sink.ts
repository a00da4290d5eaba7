import { IluvatarError } from '../core/index.js';
import type { Table } from './columns.js';
import { CsvSink } from './csv-sink.js';
import { JsonlSink } from './jsonl-sink.js';
import type { RowSink } from './sink.js';

/** A table in the format that the file's name ends in: `.csv`, `.jsonl` or `.parquet`. Throws IluvatarError `invalid`. */
export async function openSink<Row>(path: string, table: Table<Row>): Promise<RowSink<Row>> {
  if (path.endsWith('.csv')) return new CsvSink(path, table);
  if (path.endsWith('.jsonl')) return new JsonlSink(path, table);
  if (path.endsWith('.parquet')) {
    const { ParquetSink } = await import('./parquet-sink.js');
    return new ParquetSink(path, table);
  }
  throw new IluvatarError('invalid', `${path}: the name must end in .csv, .jsonl or .parquet`);
}
