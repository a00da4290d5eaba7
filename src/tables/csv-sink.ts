import { ByteFile } from './byte-file.js';
import type { Column, Table } from './columns.js';
import type { RowSink } from './sink.js';

const COMMA = 0x2c;
const LF = 0x0a;

/** RFC 4180, with a head, in UTF-8, lines ended by LF. What there is none of is empty. */
export class CsvSink<Row> implements RowSink<Row> {
  readonly #file: ByteFile;
  readonly #columns: readonly Column<Row>[];

  constructor(path: string, { columns }: Table<Row>) {
    this.#file = new ByteFile(path);
    this.#columns = columns;
    this.#file.bytes(Buffer.from(`${columns.map(({ name }) => name).join(',')}\n`));
    this.#file.mark();
  }

  row(row: Readonly<Row>): void {
    const file = this.#file;
    let first = true;
    for (const column of this.#columns) {
      file.reserve(2);
      if (first) first = false;
      else file.byte(COMMA);
      if (column.kind === 'text') {
        file.text(column.get(row), quoted);
      } else {
        const value = column.get(row);
        if (column.kind === 'decimal') file.decimal(value);
        else if (value !== column.none) file.integer(value);
      }
    }
    file.reserve(1);
    file.byte(LF);
    file.mark();
  }

  backlog(): null {
    return null;
  }

  async end(): Promise<void> {
    this.#file.close();
  }
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
