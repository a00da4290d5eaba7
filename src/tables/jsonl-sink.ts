import { ByteFile } from './byte-file.js';
import type { Column, Table } from './columns.js';
import type { RowSink } from './sink.js';

const QUOTE = 0x22;
const NULL = Buffer.from('null');
const END = Buffer.from('}\n');

/** One JSON object a line, its keys always in the order of the columns. What there is none of is null. */
export class JsonlSink<Row> implements RowSink<Row> {
  readonly #file: ByteFile;
  readonly #columns: readonly { readonly column: Column<Row>; readonly key: Buffer }[];

  constructor(path: string, { columns }: Table<Row>) {
    this.#file = new ByteFile(path);
    this.#columns = columns.map((column, i) => ({
      column,
      key: Buffer.from(`${i === 0 ? '{' : ','}${JSON.stringify(column.name)}:`),
    }));
  }

  row(row: Readonly<Row>): void {
    const file = this.#file;
    for (const { column, key } of this.#columns) {
      file.bytes(key);
      if (column.kind !== 'text') {
        const value = column.get(row);
        if (column.kind === 'decimal') file.decimal(value);
        else if (value === column.none) file.bytes(NULL);
        else file.integer(value);
        continue;
      }
      const text = column.get(row);
      if (text === '' && column.nullable) {
        file.bytes(NULL);
        continue;
      }
      file.reserve(1);
      file.byte(QUOTE);
      file.text(text, inner);
      file.reserve(1);
      file.byte(QUOTE);
    }
    file.bytes(END);
    file.mark();
  }

  backlog(): null {
    return null;
  }

  async end(): Promise<void> {
    this.#file.close();
  }
}

function inner(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
