import { existsSync } from 'node:fs';
import { asyncBufferFromFile, type ParquetScan, parquetScan } from 'hyparquet';
import { IluvatarError } from '../core/index.js';
import type { Cell, TableBatch, TableReader } from './batches.js';

/** Columns of one row group are in memory at a time. Throws IluvatarError `not_found`, and `invalid` for what is no whole Parquet file: one whose writer died has no end. */
export async function openParquet(file: string): Promise<TableReader> {
  if (!existsSync(file)) throw new IluvatarError('not_found', `there is no file ${file}`);
  const scan = await refusing(file, async () => parquetScan({ file: await asyncBufferFromFile(file) }));
  const { metadata } = scan;
  const said = new Map((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value ?? '']));
  const name = said.get('iluvatar.table');
  // The first element is the root of the schema.
  const columns = metadata.schema.slice(1).map((element) => element.name);
  return {
    file,
    table: name === undefined ? null : { name, version: Number(said.get('iluvatar.version')) },
    columns,
    batches: () => batchesOf(file, scan, columns),
  };
}

async function* batchesOf(file: string, scan: ParquetScan, columns: readonly string[]): AsyncGenerator<TableBatch> {
  for (const range of scan.ranges) {
    const cells = new Map<string, ArrayLike<Cell>>();
    for (const column of columns) {
      cells.set(column, cellsOf(await refusing(file, () => scan.readColumn({ ...range, column }))));
    }
    yield { rows: range.rowEnd - range.rowStart, column: (name) => cells.get(name) ?? null };
  }
}

/** In place where that can be: a copy of every column of every group is what a collector is busy with. */
function cellsOf(values: unknown): ArrayLike<Cell> {
  if (values instanceof BigInt64Array) return Float64Array.from(values, Number);
  if (!Array.isArray(values)) return values as ArrayLike<Cell>;
  for (let i = 0; i < values.length; i++) {
    const value: unknown = values[i];
    if (typeof value === 'bigint') values[i] = Number(value);
    else if (typeof value !== 'number' && typeof value !== 'string') values[i] = null;
  }
  return values;
}

async function refusing<T>(file: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw new IluvatarError('invalid', `${file} cannot be read as Parquet: ${(error as Error).message}`);
  }
}
