import { statSync } from 'node:fs';
import { IluvatarError } from '../core/index.js';
import { type AzureOptions, AzureTrace } from './azure-trace.js';
import { readBenchmark } from './benchmark-timings.js';
import { CsvTrace } from './csv-trace.js';
import { readFunctions } from './function-table.js';
import { RepeatedTrace } from './repeated-trace.js';
import type { TraceSource } from './trace-source.js';

export interface TraceOptions extends Partial<AzureOptions> {
  /** A CSV of arrivals, or a folder in the layout of the Azure Functions trace of 2019. */
  readonly trace: string;
  /** A CSV of functions; needed with a CSV of arrivals. */
  readonly functions?: string | undefined;
  /** Benchmark results, for functions whose times the CSV does not give. */
  readonly benchmark?: string | undefined;
  /** Play it so often, one after the other. */
  readonly repeat?: number | undefined;
  readonly prewarms?: number | undefined;
  readonly maxPrewarms?: number | undefined;
}

/** Throws IluvatarError `invalid`, naming file, line and column, for what cannot be read. Arrivals are read, and refused, only as they are asked for. */
export async function openTrace(options: TraceOptions): Promise<TraceSource> {
  const source = await openOnce(options);
  return options.repeat === undefined || options.repeat === 1 ? source : new RepeatedTrace(source, options.repeat);
}

async function openOnce(options: TraceOptions): Promise<TraceSource> {
  const { trace, functions, benchmark, prewarms = 0, maxPrewarms = 5 } = options;
  let folder: boolean;
  try {
    folder = statSync(trace).isDirectory();
  } catch (error) {
    throw new IluvatarError('invalid', `${trace} cannot be read: ${(error as Error).message}`);
  }
  if (folder) return AzureTrace.open(trace, { seed: options.seed ?? 0, spread: options.spread ?? 'uniform' });
  if (functions === undefined) {
    throw new IluvatarError('invalid', `${trace} names functions: a CSV that describes them is needed as well`);
  }
  const timings = benchmark === undefined ? null : readBenchmark(benchmark);
  return new CsvTrace(trace, await readFunctions(functions, timings, { prewarms, maxPrewarms }));
}
