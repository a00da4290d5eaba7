import { IluvatarError } from '../../core/index.js';
import type { Cell } from '../../tables/batches.js';
import { openTable, type TableReader } from '../../tables/batches.js';
import type { Column } from '../../tables/columns.js';
import { invocationTable } from '../invocation-row.js';
import { blankRow, type LoadRow, loadTable } from '../load-row.js';
import type { RowSource } from './row-source.js';

/** The column of each field; the compiler sees to it that none is forgotten. */
export const LOAD_COLUMNS: Readonly<Record<keyof LoadRow, string>> = {
  tid: 'tid',
  fn: 'function',
  arrivalUs: 'arrival_us',
  queueUs: 'queue_us',
  startUs: 'start_us',
  endUs: 'end_us',
  device: 'device',
  container: 'container',
  state: 'state',
  attempts: 'attempts',
  outcome: 'outcome',
  sentUs: 'sent_us',
  createUs: 'create_us',
  runUs: 'run_us',
  codeUs: 'code_us',
  codeCold: 'code_cold',
  worker: 'worker',
  backend: 'backend',
  client: 'client',
  clients: 'clients',
  error: 'error',
};

/** Without these a file is no table of invocations. */
const NEEDED = ['function', 'arrival_us', 'end_us', 'outcome'];

/** Names of the columns that hold text, whatever it looks like. */
export const TEXT_COLUMNS = loadTable.columns.filter(({ kind }) => kind === 'text').map(({ name }) => name);

/** Our own table of a load or of a simulation, as Parquet or CSV. Throws IluvatarError `not_found` or `invalid`. */
export async function openOwnTable(file: string): Promise<RowSource> {
  const reader = await openTable(file, TEXT_COLUMNS);
  const { table, columns } = reader;
  const missing = NEEDED.filter((name) => !columns.includes(name));
  if (missing.length > 0) {
    throw new IluvatarError('invalid', `${file} is no table of invocations: it has no column ${missing.join(', ')}`);
  }
  const load = columns.includes(LOAD_COLUMNS.sentUs);
  const { version } = load ? loadTable : invocationTable;
  if (table !== null && table.version > version) {
    throw new IluvatarError(
      'invalid',
      `${file} has version ${table.version} of the table "${table.name}", and this program knows ${version}: use a newer one`,
    );
  }
  return { kind: load ? 'load' : 'invocations', file, timed: true, rows: () => rowsOf(reader) };
}

interface Field {
  readonly key: keyof LoadRow;
  readonly column: Column<LoadRow>;
}

const FIELDS: readonly Field[] = (Object.keys(LOAD_COLUMNS) as (keyof LoadRow)[]).map((key) => {
  const name = LOAD_COLUMNS[key];
  return { key, column: loadTable.columns.find((column) => column.name === name) as Column<LoadRow> };
});

async function* rowsOf(reader: TableReader): AsyncGenerator<Readonly<LoadRow>> {
  const row = blankRow();
  const cells = row as unknown as Record<string, Cell>;
  for await (const batch of reader.batches()) {
    const present = FIELDS.flatMap(({ key, column }) => {
      const values = batch.column(column.name);
      // What an empty cell means, as it was before it was written.
      const none = column.kind === 'integer' ? (column.none ?? 0) : column.kind === 'text' ? '' : 0;
      return values === null ? [] : [{ key, values, none }];
    });
    for (let i = 0; i < batch.rows; i++) {
      for (const { key, values, none } of present) cells[key] = values[i] ?? none;
      yield row;
    }
  }
}
