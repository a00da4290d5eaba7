import { BatchBuilder } from './batch-builder.js';
import { type CsvRecords, readCsv } from './csv-records.js';
import { NameTable } from './name-table.js';
import type { ArrivalBatch, TraceFunction, TraceSource } from './trace-source.js';

/** A trace as rows `func_name,invoke_time_ms`, in the order of time; milliseconds may have a fraction. Any other columns are ignored. */
export class CsvTrace implements TraceSource {
  readonly functions: readonly TraceFunction[];
  readonly #file: string;
  readonly #names: NameTable;

  constructor(file: string, functions: readonly TraceFunction[]) {
    this.#file = file;
    this.functions = functions;
    this.#names = new NameTable(functions.map((fn) => fn.name));
  }

  async *arrivals(): AsyncGenerator<ArrivalBatch> {
    const batch = new BatchBuilder();
    let last = 0;
    for await (const { records, columns } of readCsv(this.#file, ['func_name', 'invoke_time_ms'])) {
      const [nameAt = 0, timeAt = 0] = columns;
      while (records.next()) {
        const ms = records.number(timeAt);
        if (ms < 0) throw badTime(records, timeAt);
        const atUs = Math.round(ms * 1000);
        if (atUs < last)
          throw records.invalid(timeAt, `the trace is not sorted: ${ms} ms comes after ${last / 1000} ms`);
        if (!Number.isSafeInteger(atUs)) throw records.invalid(timeAt, `${ms} ms is too late`);
        last = atUs;
        if (nameAt >= records.cells) throw records.invalid(nameAt, 'there is no function name');
        const fn = this.#names.find(records.bytes, records.starts[nameAt] as number, records.ends[nameAt] as number);
        if (fn < 0) throw records.invalid(nameAt, `the function "${records.text(nameAt)}" is not described`);
        batch.add(atUs, fn);
        if (!batch.full) continue;
        yield batch;
        batch.count = 0;
      }
    }
    if (batch.count > 0) yield batch;
  }
}

function badTime(records: CsvRecords, cell: number): Error {
  if (cell >= records.cells) return records.invalid(cell, 'there is no time');
  const text = records.text(cell);
  return records.invalid(cell, `"${text}" is not a time in ms${text.startsWith('-') ? ': it is negative' : ''}`);
}
