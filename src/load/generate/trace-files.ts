import { integer, type Table, text } from '../../tables/columns.js';
import { openSink } from '../../tables/open-sink.js';
import type { TraceFunction } from '../../traces/trace-source.js';
import type { Precision } from './choices.js';

/** The pair of files that a trace is: arrivals and functions, in the columns of the original. */

export interface ArrivalRow {
  name: string;
  atUs: number;
}

export interface FunctionRow {
  fn: TraceFunction;
  /** ms; -1 = unknown. */
  meanIatMs: number;
}

export function arrivalTable(precision: Precision): Table<ArrivalRow> {
  const whole = (row: Readonly<ArrivalRow>): number => Math.floor(row.atUs / 1000);
  const meaning = 'when it arrives, since the beginning of the trace';
  return {
    name: 'trace',
    version: 1,
    columns: [
      text('func_name', 'name of the function', (row) => row.name),
      precision === 'ms'
        ? integer('invoke_time_ms', 'ms', meaning, whole)
        : { kind: 'decimal', name: 'invoke_time_ms', unit: 'ms', meaning, get: (row) => row.atUs / 1000 },
    ],
  };
}

export function functionTable(precision: Precision): Table<FunctionRow> {
  // What takes less than half a millisecond takes one: a duration of 0 is none.
  const ms = (us: number): number => (precision === 'ms' ? Math.max(1, Math.round(us / 1000)) : us / 1000);
  return {
    name: 'functions',
    version: 1,
    columns: [
      text('func_name', 'name of the function', ({ fn }) => fn.name),
      {
        kind: 'decimal',
        name: 'cold_dur_ms',
        unit: 'ms',
        meaning: 'a cold invocation',
        get: ({ fn }) => ms(fn.coldUs),
      },
      { kind: 'decimal', name: 'warm_dur_ms', unit: 'ms', meaning: 'a warm one', get: ({ fn }) => ms(fn.warmUs) },
      integer('mem_mb', 'MiB', 'memory', ({ fn }) => fn.memoryMb),
      text(
        'mean_iat',
        'mean time between arrivals in this trace, ms; nothing = it is called once',
        ({ meanIatMs }) => (meanIatMs < 0 ? '' : String(meanIatMs)),
        true,
      ),
      text('compute', 'CPU, GPU or CPU|GPU', ({ fn }) => fn.devices.join('|').toUpperCase()),
      integer(
        'prewarms',
        'number',
        'containers made before the first arrival; nothing = as the run says',
        ({ fn }) => fn.prewarms,
        0,
      ),
    ],
  };
}

/** Where the functions of a trace `x.csv` are written: `x-functions.csv`. */
export function functionsFile(trace: string): string {
  return trace.replace(/(?:\.csv)?$/, '-functions.csv');
}

export async function writeFunctions(file: string, rows: readonly FunctionRow[], precision: Precision): Promise<void> {
  const sink = await openSink(file, functionTable(precision));
  try {
    for (const row of rows) sink.row(row);
  } finally {
    await sink.end();
  }
}
