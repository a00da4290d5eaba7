import { existsSync } from 'node:fs';
import { IluvatarError } from '../core/index.js';
import { type CsvRecords, readCsv } from '../traces/csv-records.js';
import type { Cell, TableBatch, TableReader } from './batches.js';

const BATCH_ROWS = 10_000;

/**
 * What reads as a number is one, but in the columns `texts`. A last line with too few cells, as a writer leaves it that died, is left out; anywhere else it is refused. Throws IluvatarError `not_found`
 * or `invalid`, the latter with file, line and column.
 */
export async function openCsv(file: string, texts: readonly string[]): Promise<TableReader> {
  if (!existsSync(file)) throw new IluvatarError('not_found', `there is no file ${file}`);
  let columns: readonly string[] = [];
  for await (const { names } of readCsv(file, [])) {
    columns = names;
    break;
  }
  return { file, table: null, columns, batches: () => batchesOf(file, columns, texts) };
}

async function* batchesOf(
  file: string,
  columns: readonly string[],
  texts: readonly string[],
): AsyncGenerator<TableBatch> {
  let cells: Cell[][] = columns.map(() => []);
  let rows = 0;
  const isText = columns.map((name) => texts.includes(name));
  let torn: IluvatarError | null = null;
  const take = (): TableBatch => {
    const [full, count] = [cells, rows];
    cells = columns.map(() => []);
    rows = 0;
    return { rows: count, column: (name) => full[columns.indexOf(name)] ?? null };
  };
  for await (const { records } of readCsv(file, [])) {
    while (records.next()) {
      if (torn !== null) throw torn;
      if (records.cells !== columns.length) {
        torn = records.invalid(records.cells - 1, `${records.cells} cells where the head has ${columns.length}`);
        continue;
      }
      for (let i = 0; i < columns.length; i++)
        (cells[i] as Cell[]).push(isText[i] ? records.text(i) || null : cellOf(records, i));
      if (++rows === BATCH_ROWS) yield take();
    }
  }
  if (rows > 0) yield take();
}

function cellOf(records: CsvRecords, i: number): Cell {
  const value = records.number(i);
  if (value >= 0) return value;
  const text = records.text(i);
  if (text === '') return null;
  return /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}
