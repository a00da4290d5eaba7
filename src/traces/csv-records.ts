import { createReadStream } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { IluvatarError } from '../core/index.js';

/**
 * Reads a CSV file record by record, over bytes: a record is the places of its cells in a buffer, and a cell becomes text only when somebody asks. Nothing is
 * allocated per record. RFC 4180: quoted cells may hold commas, quotes (doubled) and newlines. Lines end in LF or CRLF; a byte order mark and empty lines are
 * skipped. A file whose name ends in `.gz` is unpacked on the way.
 */

/** A record longer than this is no record: the file is something else. */
const LONGEST_RECORD = 16 * 1024 * 1024;
const CHUNK = 256 * 1024;
const FIRST_CELLS = 64;

const COMMA = 0x2c;
const QUOTE = 0x22;
const LF = 0x0a;
const CR = 0x0d;

export class CsvRecords {
  readonly file: string;
  /** Where the record's cells are: cell i is `bytes[starts[i] .. ends[i])`, without its quotes. */
  bytes: Buffer = Buffer.alloc(0);
  starts = new Int32Array(FIRST_CELLS);
  ends = new Int32Array(FIRST_CELLS);
  /** Cells in the record. */
  cells = 0;
  /** Line on which the record begins; from 1. */
  line = 0;
  #position = 0;
  #nextLine = 1;
  #ended = false;
  #begun = false;

  constructor(file: string) {
    this.file = file;
  }

  /** More bytes of the file. What the last record pointed at is no longer valid. */
  push(chunk: Buffer): void {
    const left = this.bytes.length - this.#position;
    if (left > LONGEST_RECORD) throw this.invalid(0, `a record of more than ${LONGEST_RECORD} bytes`, this.#nextLine);
    this.bytes = left === 0 ? chunk : Buffer.concat([this.bytes.subarray(this.#position), chunk]);
    this.#position = 0;
    if (this.#begun || this.bytes.length < 3) return;
    this.#begun = true;
    if (this.bytes[0] === 0xef && this.bytes[1] === 0xbb && this.bytes[2] === 0xbf) this.#position = 3;
  }

  /** No more bytes: what is left is the last record. */
  end(): void {
    this.#ended = true;
  }

  /** Goes to the next record; false = there is no whole one in what was pushed. */
  next(): boolean {
    const { bytes } = this;
    const { length } = bytes;
    let at = this.#position;
    let start = at;
    let cells = 0;
    let lines = 1;
    // An index beyond the end gives undefined, which is none of the bytes looked for; the check is cheaper once a byte than twice.
    for (;;) {
      if (at >= length) {
        if (!this.#ended || this.#position === length) return false;
      } else {
        const byte = bytes[at] as number;
        if (byte === QUOTE && at === start) {
          const close = this.#closingQuote(at + 1);
          if (close < 0) {
            if (!this.#ended) return false;
            throw this.invalid(cells, 'the quoted cell is never closed', this.#nextLine);
          }
          for (let i = at; i < close; i++) if (bytes[i] === LF) lines++;
          at = close + 1;
          // What may follow is known only with the next byte.
          if (at >= length && !this.#ended) return false;
          const after = at < length ? bytes[at] : LF;
          if (after !== COMMA && after !== LF && after !== CR) {
            throw this.invalid(cells, 'text after the closing quote', this.#nextLine);
          }
          continue;
        }
        if (byte !== COMMA && byte !== LF) {
          at++;
          continue;
        }
      }
      const newline = at >= length || bytes[at] === LF;
      if (cells === this.starts.length) this.#growCells();
      let from = start;
      let to = newline && at > start && bytes[at - 1] === CR ? at - 1 : at;
      if (to > from && bytes[from] === QUOTE) {
        from++;
        to--;
      }
      this.starts[cells] = from;
      this.ends[cells] = to;
      cells++;
      at++;
      start = at;
      if (!newline) continue;
      const empty = cells === 1 && from === to && bytes[from - 1] !== QUOTE;
      this.line = this.#nextLine;
      this.#nextLine += lines;
      this.#position = Math.min(at, length);
      if (!empty) {
        this.cells = cells;
        return true;
      }
      cells = 0;
      lines = 1;
    }
  }

  text(cell: number): string {
    if (cell >= this.cells) return '';
    const text = this.bytes.toString('utf8', this.starts[cell], this.ends[cell]);
    return text.includes('""') ? text.replaceAll('""', '"') : text;
  }

  /** A number not below 0, or -1 when the cell is none. Digits with an optional fraction are read without making text of them. */
  number(cell: number): number {
    if (cell >= this.cells) return -1;
    const { bytes } = this;
    const end = this.ends[cell] as number;
    let at = this.starts[cell] as number;
    const start = at;
    let value = 0;
    let byte = 0;
    for (; at < end; at++) {
      byte = bytes[at] as number;
      if (byte < 0x30 || byte > 0x39) break;
      value = value * 10 + (byte - 0x30);
    }
    if (at === end && at > start && at - start <= 15) return value;
    const text = this.bytes.toString('latin1', start, end);
    return /^(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/.test(text) ? Number(text) : -1;
  }

  /** An error that names file, line and column of the record; `cell` from 0. */
  invalid(cell: number, text: string, line = this.line): IluvatarError {
    return new IluvatarError('invalid', `${this.file}, line ${line}, column ${cell + 1}: ${text}`);
  }

  #closingQuote(from: number): number {
    let at = from;
    for (;;) {
      at = this.bytes.indexOf(QUOTE, at);
      if (at < 0) return -1;
      if (this.bytes[at + 1] !== QUOTE) return at;
      at += 2;
    }
  }

  #growCells(): void {
    const starts = new Int32Array(this.starts.length * 2);
    const ends = new Int32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}

/**
 * Each pass of the loop is one chunk of the file: take records with `next` until it says false. The header has been read: `columns` are the places of the
 * columns named, -1 for one that is not there.
 */
export async function* readCsv(
  file: string,
  required: readonly string[],
  optional: readonly string[] = [],
): AsyncGenerator<{ records: CsvRecords; columns: readonly number[]; names: readonly string[] }> {
  const records = new CsvRecords(file);
  let names: string[] | null = null;
  let columns: number[] = [];
  const head = (): void => {
    if (names !== null || !records.next()) return;
    names = Array.from({ length: records.cells }, (_, i) => records.text(i).trim());
    columns = [...required, ...optional].map((name) => (names as string[]).indexOf(name));
    for (const [i, name] of names.entries()) {
      if (name !== '' && names.indexOf(name) !== i) throw records.invalid(i, `there is a second column "${name}"`);
    }
    const missing = required.filter((_, i) => columns[i] === -1);
    if (missing.length > 0) {
      throw records.invalid(
        names.length,
        `there is no column "${missing.join('", "')}"; there are: ${names.join(', ')}`,
      );
    }
  };
  for await (const chunk of chunksOf(file)) {
    records.push(chunk);
    head();
    if (names !== null) yield { records, columns, names };
  }
  records.end();
  head();
  if (names === null) throw new IluvatarError('invalid', `${file}, line 1, column 1: the file is empty`);
  yield { records, columns, names };
}

async function* chunksOf(file: string): AsyncGenerator<Buffer> {
  const raw = createReadStream(file, { highWaterMark: CHUNK });
  // `pipe` forwards no error: the reader of the unpacked bytes would wait for ever.
  const bytes = file.endsWith('.gz') ? raw.pipe(createGunzip({ chunkSize: CHUNK })) : raw;
  if (bytes !== raw) raw.on('error', (error) => bytes.destroy(error));
  try {
    for await (const chunk of bytes) yield chunk as Buffer;
  } catch (error) {
    throw new IluvatarError('invalid', `${file} cannot be read: ${(error as Error).message}`);
  } finally {
    raw.destroy();
    bytes.destroy();
  }
}
