import { IluvatarError } from '../core/index.js';

/** What a cell of a table is read as; null = there is nothing in it. */
export type Cell = number | string | null;

/** Some consecutive rows of a file, by column. */
export interface TableBatch {
  readonly rows: number;
  /** Null = the file has no such column: it was written by an older version. */
  column(name: string): ArrayLike<Cell> | null;
}

/** A table that is read batch by batch: only one is in memory. */
export interface TableReader {
  readonly file: string;
  /** As the file says; null = it has no place for it. */
  readonly table: { readonly name: string; readonly version: number } | null;
  readonly columns: readonly string[];
  batches(): AsyncIterable<TableBatch>;
}

/**
 * A table in the format that the file's name ends in: `.csv` or `.parquet`. `texts`: columns that are text whatever they hold, which CSV does not say. Throws IluvatarError
 * `not_found` or `invalid`.
 */
export async function openTable(file: string, texts: readonly string[] = []): Promise<TableReader> {
  if (file.endsWith('.parquet')) return (await import('./parquet-reader.js')).openParquet(file);
  if (/\.csv(\.gz)?$/.test(file)) return (await import('./csv-reader.js')).openCsv(file, texts);
  throw new IluvatarError('invalid', `${file}: the name must end in .csv, .csv.gz or .parquet`);
}
