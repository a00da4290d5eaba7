import { ByteFile } from '../tables/byte-file.js';
import { type Column, integer, type Table, text } from '../tables/columns.js';
import { openSink } from '../tables/open-sink.js';
import type { RowSink } from '../tables/sink.js';
import type { LoadRow } from './load-row.js';

/** Invocations as the original's load generator writes them, for programs that read its files: one CSV, and one JSON with all it knows. */

const decimal = (name: string, unit: string, get: (row: Readonly<LoadRow>) => number): Column<LoadRow> => ({
  kind: 'decimal',
  name,
  unit,
  meaning: '',
  get,
});

const originalTable: Table<LoadRow> = {
  name: 'original',
  version: 1,
  columns: [
    text('success', '', ({ outcome }) => String(outcome === 'ok')),
    text('function_name', '', ({ fn }) => nameOf(fn).name),
    text('was_cold', '', (row) => String(wasCold(row))),
    integer('worker_duration_us', 'µs', '', (row) => Math.max(0, workerUs(row))),
    decimal('code_duration_sec', 's', (row) => Math.max(0, row.codeUs < 0 ? row.runUs : row.codeUs) / 1e6),
    integer('e2e_duration_us', 'µs', '', ({ sentUs, endUs }) => (sentUs < 0 ? 0 : endUs - sentUs)),
    text('tid', '', ({ tid }) => tid),
  ],
};

/** By the function's own word, or else the worker's: a prewarmed container is cold to its function. */
export function wasCold({ codeCold, state }: Readonly<LoadRow>): boolean {
  return codeCold >= 0 ? codeCold === 1 : state === 'cold' || state === 'prewarm';
}

/** What the worker says it took from arrival to answer; µs, -1 = it did not say. */
export function workerUs({ queueUs, createUs, runUs }: Readonly<LoadRow>): number {
  return runUs < 0 ? -1 : Math.max(0, queueUs) + Math.max(0, createUs) + runUs;
}

const CONTAINER_STATES: Readonly<Record<string, number>> = { cold: 2, prewarm: 3, warm: 4 };
const CPU = 1;
const GPU = 2;

/** One invocation of the list; `beginUnixUs`: when the clock of the rows began, µs since 1970. */
export function originalInvocation(row: Readonly<LoadRow>, beginUnixUs: number): Record<string, unknown> {
  const { fn, outcome, device, state, tid, error, sentUs, endUs, codeUs, runUs } = row;
  const sentAt = beginUnixUs + Math.max(0, sentUs);
  const ranUs = codeUs < 0 ? Math.max(0, runUs) : codeUs;
  const end = (beginUnixUs + endUs) / 1e6;
  const ok = outcome === 'ok';
  const body = ok ? { cold: wasCold(row), start: end - ranUs / 1e6, end, latency: ranUs / 1e6 } : NO_BODY;
  const { name, version } = nameOf(fn);
  return {
    worker_response: {
      json_result: ok ? JSON.stringify({ body }) : JSON.stringify({ 'platform error': error, class: outcome }),
      success: ok,
      duration_us: Math.max(0, workerUs(row)),
      compute: device.startsWith('gpu') ? GPU : CPU,
      container_state: CONTAINER_STATES[state] ?? 0,
    },
    function_output: { body },
    client_latency_us: sentUs < 0 ? 0 : endUs - sentUs,
    function_name: name,
    function_version: version,
    tid,
    invoke_start: new Date(sentAt / 1000)
      .toISOString()
      .replace('Z', `${String(Math.floor(sentAt % 1000)).padStart(3, '0')}Z`),
  };
}

/** As the original has it of an invocation that failed. */
const NO_BODY = { cold: false, start: 0, end: 0, latency: 0 };

function nameOf(fn: string): { name: string; version: string } {
  const at = fn.lastIndexOf('@');
  return at < 0 ? { name: fn, version: '' } : { name: fn.slice(0, at), version: fn.slice(at + 1) };
}

/** A JSON list, item by item, in bounded memory; whole once it is ended. */
export class JsonListFile {
  readonly #file: ByteFile;
  #count = 0;

  constructor(path: string) {
    this.#file = new ByteFile(path);
  }

  add(item: unknown): void {
    this.#file.bytes(Buffer.from(`${this.#count++ === 0 ? '[\n' : ',\n'}${JSON.stringify(item)}`));
  }

  end(): void {
    this.#file.bytes(Buffer.from(this.#count === 0 ? '[]\n' : '\n]\n'));
    this.#file.close();
  }
}

/** Both files at once. */
export class OriginalOutput implements RowSink<LoadRow> {
  readonly #csv: RowSink<LoadRow>;
  readonly #list: JsonListFile;
  readonly #beginUnixUs: () => number;

  private constructor(csv: RowSink<LoadRow>, list: JsonListFile, beginUnixUs: () => number) {
    this.#csv = csv;
    this.#list = list;
    this.#beginUnixUs = beginUnixUs;
  }

  /** `beginUnixUs` is asked with the first row: before, nobody knows. */
  static async open(csv: string, json: string, beginUnixUs: () => number): Promise<OriginalOutput> {
    return new OriginalOutput(await openSink(csv, originalTable), new JsonListFile(json), beginUnixUs);
  }

  row(row: Readonly<LoadRow>): void {
    this.#csv.row(row);
    this.#list.add(originalInvocation(row, this.#beginUnixUs()));
  }

  backlog(): Promise<void> | null {
    return this.#csv.backlog();
  }

  async end(): Promise<void> {
    try {
      await this.#csv.end();
    } finally {
      this.#list.end();
    }
  }
}
