import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import type { JetsonBoard } from './board.js';
import type { JetsonReading } from './jetson-reading.js';

/**
 * A recorded board: JSON lines, of which the first says what was recorded and each other one when (µs of a monotonic clock, from 0) and what: a line of tegrastats as it was, or a reading of the kernel's
 * files. So a board can be looked at, and a worker run against it, where there is none.
 */
export interface RecordingHead {
  readonly recording: 'jetson';
  readonly version: 1;
  readonly board: JetsonBoard | null;
  readonly intervalMs: number;
}

export type RecordedEntry =
  | { readonly atUs: number; readonly line: string }
  | { readonly atUs: number; readonly reading: JetsonReading };

export class RecordingWriter {
  readonly #file: WriteStream;
  readonly #failure: Promise<Error | null>;
  #originUs: number | null = null;
  entries = 0;

  /** Writes a new file; what has this name is overwritten. */
  constructor(path: string, head: Omit<RecordingHead, 'recording' | 'version'>) {
    this.#file = createWriteStream(path);
    this.#failure = new Promise((resolve) => {
      this.#file.once('error', resolve).once('close', () => resolve(null));
    });
    this.#write({ recording: 'jetson', version: 1, ...head });
  }

  line(line: string, atUs: number): void {
    this.#add({ atUs: this.#since(atUs), line });
  }

  reading(reading: JetsonReading): void {
    this.#add({ atUs: this.#since(reading.atUs), reading });
  }

  /** Resolves when all is in the file; rejects when something could not be written. */
  async close(): Promise<void> {
    this.#file.end();
    const failure = await this.#failure;
    if (failure !== null) throw failure;
  }

  #since(atUs: number): number {
    this.#originUs ??= atUs;
    return Math.round(atUs - this.#originUs);
  }

  #add(entry: RecordedEntry): void {
    this.entries++;
    this.#write(entry);
  }

  #write(value: RecordingHead | RecordedEntry): void {
    this.#file.write(`${JSON.stringify(value)}\n`);
  }
}

export interface Recording {
  readonly head: RecordingHead;
  /** In the order of their times. Lines that are damaged are left out. */
  readonly entries: AsyncIterable<RecordedEntry>;
}

/** Opens a recording, of which one line at a time is in memory. Also reads a plain file of lines of tegrastats, as if they had come at the interval. Rejects when it cannot be read, or has nothing in it. */
export async function openRecording(path: string, intervalMs = 1000): Promise<Recording> {
  const lines = createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })[
    Symbol.asyncIterator
  ]();
  const first = await lines.next();
  if (first.done === true) throw new Error(`${path} is empty: it is no recording of a board`);
  const head = headOf(first.value);
  if (head !== null) return { head, entries: recorded(lines) };
  const plain: RecordingHead = { recording: 'jetson', version: 1, board: null, intervalMs };
  return { head: plain, entries: spaced(first.value, lines, intervalMs) };
}

async function* recorded(lines: AsyncIterable<string>): AsyncGenerator<RecordedEntry> {
  for await (const text of lines) {
    const entry = parsed(text) as Partial<Record<'atUs' | 'line' | 'reading', unknown>> | null;
    if (typeof entry?.atUs !== 'number' || !Number.isFinite(entry.atUs)) continue;
    if (typeof entry.line === 'string') yield { atUs: entry.atUs, line: entry.line };
    else if (isReading(entry.reading)) yield { atUs: entry.atUs, reading: entry.reading };
  }
}

async function* spaced(first: string, rest: AsyncIterable<string>, intervalMs: number): AsyncGenerator<RecordedEntry> {
  let atUs = 0;
  // As in the files of samples that go round: a line with a "#" says something about the others.
  const entry = (line: string): RecordedEntry[] => {
    if (line.startsWith('#') || line.trim() === '') return [];
    atUs += 1000 * intervalMs;
    return [{ atUs, line }];
  };
  yield* entry(first);
  for await (const line of rest) yield* entry(line);
}

function headOf(text: string): RecordingHead | null {
  const head = parsed(text) as Partial<RecordingHead> | null;
  if (head?.recording !== 'jetson') return null;
  if (head.version !== 1) throw new Error(`recordings of version ${head.version} are not known here`);
  const { board = null, intervalMs = 1000 } = head;
  return { recording: 'jetson', version: 1, board, intervalMs };
}

function isReading(value: unknown): value is JetsonReading {
  const reading = value as Partial<JetsonReading> | null | undefined;
  return (
    typeof reading?.gpu === 'object' &&
    reading.gpu !== null &&
    Array.isArray(reading.cpus) &&
    Array.isArray(reading.temperatures) &&
    Array.isArray(reading.rails)
  );
}

/** Null for what is no JSON object: a line that was cut off, or is none of ours. */
function parsed(text: string): object | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}
