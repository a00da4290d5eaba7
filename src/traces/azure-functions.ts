import { type CsvRecords, readCsv } from './csv-records.js';
import { type TraceFunction, traceFunction } from './trace-source.js';

/**
 * Which functions an Azure trace has, put together from its three kinds of files by owner, application and function. A function whose durations or whose application's
 * memory no file knows is left out, as the trace has many. Durations: the first day that knows them; warm = the average, cold = the maximum. Memory is known of
 * applications only: it is split evenly among the application's functions.
 */
export class AzureFunctions {
  readonly functions: TraceFunction[] = [];
  leftOut = 0;
  readonly #durations = new Map<string, { warmUs: number; coldUs: number }>();
  readonly #memoryMb = new Map<string, number>();
  /** Application → its functions that are called. */
  readonly #applications = new Map<string, Set<string>>();
  readonly #indexes = new Map<string, number>();

  async readDurations(file: string): Promise<void> {
    const names = ['HashOwner', 'HashApp', 'HashFunction', 'Average', 'Maximum'];
    for await (const { records, columns } of readCsv(file, names)) {
      const [averageAt = -1, maximumAt = -1] = columns.slice(3);
      while (records.next()) {
        const key = `${application(records, columns)},${text(records, columns[2])}`;
        if (this.#durations.has(key)) continue;
        const warmUs = amount(records, averageAt, 'ms') * 1000;
        const coldUs = amount(records, maximumAt, 'ms') * 1000;
        this.#durations.set(key, { warmUs: Math.round(warmUs), coldUs: Math.round(Math.max(warmUs, coldUs)) });
      }
    }
  }

  async readMemory(file: string): Promise<void> {
    for await (const { records, columns } of readCsv(file, ['HashOwner', 'HashApp', 'AverageAllocatedMb'])) {
      while (records.next()) {
        const key = application(records, columns);
        if (!this.#memoryMb.has(key)) this.#memoryMb.set(key, amount(records, columns[2] as number, 'MiB'));
      }
    }
  }

  /** A row of the counts. */
  addCalled(records: CsvRecords, columns: readonly number[]): void {
    const app = application(records, columns);
    let functions = this.#applications.get(app);
    if (functions === undefined) {
      functions = new Set();
      this.#applications.set(app, functions);
    }
    functions.add(text(records, columns[2]));
  }

  /** All files were read. */
  complete(): void {
    const names = new Set<string>();
    for (const [app, functions] of this.#applications) {
      const memoryMb = this.#memoryMb.get(app);
      for (const hash of functions) {
        const key = `${app},${hash}`;
        const durations = this.#durations.get(key);
        if (memoryMb === undefined || durations === undefined) {
          this.leftOut++;
          continue;
        }
        this.#indexes.set(key, this.functions.length);
        const name = this.#nameOf(app, hash, names);
        const memory = Math.max(1, Math.ceil(memoryMb / functions.size));
        this.functions.push(traceFunction({ name, memoryMb: memory, ...durations }));
      }
    }
    this.#durations.clear();
    this.#memoryMb.clear();
    this.#applications.clear();
  }

  /** What is known of some of them alone, in ascending order of their indexes. All files were read. */
  select(indexes: readonly number[]): AzureFunctions {
    const selected = new AzureFunctions();
    const places = new Map<number, number>();
    for (const index of indexes) {
      places.set(index, selected.functions.length);
      selected.functions.push(this.functions[index] as TraceFunction);
    }
    for (const [key, index] of this.#indexes) {
      const place = places.get(index);
      if (place !== undefined) selected.#indexes.set(key, place);
    }
    return selected;
  }

  /** -1 = left out. */
  indexOf(records: CsvRecords, columns: readonly number[]): number {
    return this.#indexes.get(`${application(records, columns)},${text(records, columns[2])}`) ?? -1;
  }

  /** A function's hash is its own only within its application, and both together are longer than a name may be. */
  #nameOf(app: string, hash: string, taken: Set<string>): string {
    const short = `${app.slice(app.indexOf(',') + 1).slice(0, 12)}-${hash.slice(0, 12)}`.replace(
      /[^A-Za-z0-9._-]/g,
      '_',
    );
    let name = short;
    for (let i = 2; taken.has(name); i++) name = `${short}-${i}`;
    taken.add(name);
    return name;
  }
}

function application(records: CsvRecords, columns: readonly number[]): string {
  return `${text(records, columns[0])},${text(records, columns[1])}`;
}

function text(records: CsvRecords, cell = -1): string {
  if (cell >= records.cells) throw records.invalid(cell, 'there is nothing');
  return records.text(cell);
}

function amount(records: CsvRecords, cell: number, unit: string): number {
  const value = records.number(cell);
  if (value < 0) throw records.invalid(cell, `"${records.text(cell)}" is not an amount of ${unit}`);
  return value;
}
