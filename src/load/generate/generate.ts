import { IluvatarError } from '../../core/index.js';
import { openSink } from '../../tables/open-sink.js';
import type { TraceFunction } from '../../traces/trace-source.js';
import type { Arrivals } from '../arrivals/arrivals.js';
import type { Precision } from './choices.js';
import { TraceAnalysis, type TraceSummary } from './trace-analysis.js';
import { type ArrivalRow, arrivalTable, type FunctionRow, functionsFile, writeFunctions } from './trace-files.js';

/** What is written: functions by the numbers that the arrivals name them with. */
export interface PlannedTrace {
  readonly functions: readonly TraceFunction[];
  readonly arrivals: Arrivals;
  /** Of the time that the arrivals are spread over; µs. */
  readonly lengthUs: number;
}

export interface WriteOptions {
  /** `x.csv`; the functions go to `x-functions.csv`. */
  readonly file: string;
  readonly precision: Precision;
  /** Ends the trace where it has come to; what is written is a whole trace up to there. */
  readonly signal?: AbortSignal | undefined;
  readonly progress?: ((invocations: number, atUs: number) => void) | undefined;
}

export interface WrittenTrace {
  readonly trace: string;
  readonly functionsFile: string;
  /** False = `signal` ended it before its end. */
  readonly complete: boolean;
  /** Functions that are never called, and so in neither file. */
  readonly uncalled: number;
  readonly summary: TraceSummary;
}

/** Writes a trace and its functions. Throws `invalid` when nothing is called in it, and leaves no files then. */
export async function writeTrace(planned: PlannedTrace, options: WriteOptions): Promise<WrittenTrace> {
  const { functions, arrivals, lengthUs } = planned;
  const { file, precision, signal, progress } = options;
  const analysis = new TraceAnalysis(functions);
  const row: ArrivalRow = { name: '', atUs: 0 };
  const batches = arrivals.arrivals()[Symbol.asyncIterator]();
  // Before there is a file: what cannot be read or has no arrival leaves none.
  let batch = await batches.next();
  if (batch.done === true) {
    throw new IluvatarError('invalid', `nothing is called in the trace: ${functions.length} functions, no arrival`);
  }
  const sink = await openSink(file, arrivalTable(precision));
  try {
    for (; batch.done !== true && signal?.aborted !== true; batch = await batches.next()) {
      const { count, atUs, fn } = batch.value;
      for (let i = 0; i < count; i++) {
        row.name = (functions[fn[i] as number] as TraceFunction).name;
        row.atUs = atUs[i] as number;
        analysis.arrived(row.atUs, fn[i] as number);
        sink.row(row);
      }
      progress?.(analysis.invocations, analysis.lastUs);
      await sink.backlog();
    }
  } finally {
    await batches.return?.();
    await sink.end();
  }
  const rows = functions.flatMap((fn, index): FunctionRow[] =>
    analysis.countOf(index) === 0 ? [] : [{ fn, meanIatMs: analysis.meanIatMs(index) ?? -1 }],
  );
  await writeFunctions(functionsFile(file), rows, precision);
  const complete = signal?.aborted !== true;
  return {
    trace: file,
    functionsFile: functionsFile(file),
    complete,
    uncalled: functions.length - rows.length,
    summary: analysis.summary(complete ? lengthUs : undefined),
  };
}

/** What a trace is like. */
export async function analyzeTrace(
  { functions, arrivals, lengthUs }: Omit<PlannedTrace, 'lengthUs'> & { readonly lengthUs?: number },
  progress?: WriteOptions['progress'],
): Promise<TraceSummary> {
  const analysis = new TraceAnalysis(functions);
  for await (const { count, atUs, fn } of arrivals.arrivals()) {
    for (let i = 0; i < count; i++) analysis.arrived(atUs[i] as number, fn[i] as number);
    progress?.(analysis.invocations, analysis.lastUs);
  }
  return analysis.summary(lengthUs);
}
