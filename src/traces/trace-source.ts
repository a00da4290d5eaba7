import type { Device, FunctionTimings } from '../core/index.js';

/** What a simulation reads: the functions, all at once, and the arrivals, as a stream, so that a trace larger than memory runs. */

export interface TraceFunction {
  readonly name: string;
  readonly version: string;
  readonly memoryMb: number;
  /** Inside the function, warm, on the CPU; µs. */
  readonly warmUs: number;
  /** A whole cold invocation on the CPU: creating its container and running it; µs. */
  readonly coldUs: number;
  /** Mean time between arrivals; µs. */
  readonly meanIatUs: number | null;
  readonly devices: readonly Device[];
  /** Containers made before the first arrival. */
  readonly prewarms: number;
  /** As `warmUs` and `coldUs`, on a GPU; null = as on the CPU. */
  readonly gpuWarmUs: number | null;
  readonly gpuColdUs: number | null;
  /** What it was registered with; null = nothing. */
  readonly timings: FunctionTimings | null;
  /** What to run in its place, for a load that is not simulated; absent = nothing is said. */
  readonly live?: LiveFunction;
}

/** What must be said of a function: the rest is `1`, the CPU, warm time alone, nothing prewarmed. */
export type TraceFunctionInput = Pick<TraceFunction, 'name' | 'memoryMb' | 'warmUs'> & Partial<TraceFunction>;

export function traceFunction(said: TraceFunctionInput): TraceFunction {
  return {
    version: '1',
    coldUs: said.warmUs,
    meanIatUs: null,
    devices: ['cpu'],
    prewarms: 0,
    gpuWarmUs: null,
    gpuColdUs: null,
    timings: null,
    ...said,
  };
}

export interface LiveFunction {
  /** Name of the benchmark that stands for it; null = none does. */
  readonly chosen: string | null;
  readonly image: string | null;
  /** As the table says it: `CONTAINERD`, `DOCKER`, …, and `http`, `unix`, …; empty = nothing. */
  readonly isolation: string;
  readonly server: string;
  /** JSON text. */
  readonly args: string;
  /** Synthetic load, whatever there is to choose from. */
  readonly lookbusy: boolean;
}

/** Arrivals in the order of their times. The arrays may be longer than `count`, and belong to the source: they are overwritten by the next batch. */
export interface ArrivalBatch {
  readonly count: number;
  /** Whole µs since the beginning of the trace; never less than the one before. */
  readonly atUs: Float64Array;
  /** Index into the functions of the source. */
  readonly fn: Uint32Array;
}

export interface TraceSource {
  readonly functions: readonly TraceFunction[];
  /** From the beginning, each time it is called. Throws IluvatarError `invalid`, naming file, line and column, for what cannot be read. */
  arrivals(): AsyncIterable<ArrivalBatch>;
}

/** Arrivals a batch: large enough that an `await` a batch costs nothing, small enough to stay in the cache. */
export const BATCH_SIZE = 8192;
