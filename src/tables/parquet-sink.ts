import { ByteWriter, type ColumnSource, ParquetWriter, type SchemaElement } from 'hyparquet-writer';
import { ByteFile } from './byte-file.js';
import type { Column, Table } from './columns.js';
import type { RowSink } from './sink.js';

/** Rows held until they are written as one row group: few enough to hold (a few MB; three times as many cost 80 MB of heap on the way), enough that a reader finds long runs of a column. */
const GROUP_ROWS = 16_384;

type Values = (string | null)[] | (bigint | null)[] | BigInt64Array | Float64Array;

/**
 * Parquet: row groups of 16,384 rows, snappy. Integers are INT64, text is a dictionary-encoded string where that is smaller; a column that may have nothing in a
 * row is optional. Only one group and the file's index, a few hundred bytes a group, are in memory. On a disk that is full, the file ends with the last group that was
 * written, and can be read.
 */
export class ParquetSink<Row> implements RowSink<Row> {
  readonly #file: ByteFile;
  readonly #columns: readonly Column<Row>[];
  readonly #values: Values[];
  readonly #bytes = new ByteWriter(1024 * 1024);
  readonly #writer: ParquetWriter;
  #rows = 0;

  constructor(path: string, { name, version, columns }: Table<Row>) {
    this.#file = new ByteFile(path);
    this.#columns = columns;
    this.#values = columns.map(emptyValues);
    const root: SchemaElement = { name: 'root', num_children: columns.length };
    this.#writer = new ParquetWriter({
      writer: this.#bytes,
      schema: [root, ...columns.map(schemaOf)],
      createdBy: 'iluvatar',
      kvMetadata: [
        { key: 'iluvatar.table', value: name },
        { key: 'iluvatar.version', value: String(version) },
      ],
    });
  }

  row(row: Readonly<Row>): void {
    const at = this.#rows++;
    for (let i = 0; i < this.#columns.length; i++) {
      const column = this.#columns[i] as Column<Row>;
      const values = this.#values[i] as Values;
      if (column.kind === 'text') {
        const text = column.get(row);
        values[at] = text === '' && column.nullable ? null : text;
      } else if (column.kind === 'decimal') {
        values[at] = column.get(row);
      } else {
        const value = column.get(row);
        values[at] = value === column.none ? null : (BigInt(value) as never);
      }
    }
    if (this.#rows === GROUP_ROWS) this.#writeGroup();
  }

  backlog(): null {
    return null;
  }

  async end(): Promise<void> {
    try {
      let failure: unknown = null;
      try {
        if (this.#rows > 0) this.#writeGroup();
      } catch (error) {
        failure = error;
      }
      // Also after a failure: without its index nothing of the file can be read.
      this.#writer.finish();
      this.#drain();
      this.#file.flush();
      if (failure !== null) throw failure;
    } finally {
      this.#file.close();
    }
  }

  #writeGroup(): void {
    const columnData = this.#columns.map((column, i): ColumnSource => {
      const values = this.#values[i] as Values;
      const data = values.length === this.#rows ? values : values.slice(0, this.#rows);
      // Times ascend and are nearly all different: a dictionary of them would be larger than they are.
      const encoding = column.kind === 'integer' && column.unit === 'µs' ? 'DELTA_BINARY_PACKED' : undefined;
      return { name: column.name, data, offsetIndex: false, ...(encoding === undefined ? {} : { encoding }) };
    });
    this.#rows = 0;
    const { row_groups: groups, num_rows: rowsBefore, pendingIndexes: indexes } = this.#writer;
    const before = { groups: groups.length, indexes: indexes.length };
    this.#writer.write({ columnData, rowGroupSize: GROUP_ROWS });
    try {
      this.#drain();
      this.#file.mark();
      this.#file.flush();
    } catch (error) {
      // The file was cut to the groups before: the index must not name this one.
      groups.length = before.groups;
      indexes.length = before.indexes;
      this.#writer.num_rows = rowsBefore;
      throw error;
    }
  }

  /** Moves what was encoded into the file. The writer's offset, which counts what it ever wrote, stays. */
  #drain(): void {
    const encoded = this.#bytes.getBytes();
    this.#bytes.index = 0;
    this.#file.bytes(encoded);
  }
}

function emptyValues<Row>(column: Column<Row>): Values {
  if (column.kind === 'decimal') return new Float64Array(GROUP_ROWS);
  return column.kind === 'integer' && column.none === null ? new BigInt64Array(GROUP_ROWS) : new Array(GROUP_ROWS);
}

function schemaOf<Row>(column: Column<Row>): SchemaElement {
  const { name } = column;
  if (column.kind === 'text') {
    return {
      name,
      type: 'BYTE_ARRAY',
      converted_type: 'UTF8',
      repetition_type: column.nullable ? 'OPTIONAL' : 'REQUIRED',
    };
  }
  if (column.kind === 'decimal') return { name, type: 'DOUBLE', repetition_type: 'REQUIRED' };
  return { name, type: 'INT64', repetition_type: column.none === null ? 'REQUIRED' : 'OPTIONAL' };
}
