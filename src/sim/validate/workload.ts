import { IluvatarError, seededRandom } from '../../core/index.js';
import { BatchBuilder } from '../../traces/batch-builder.js';
import { type ArrivalBatch, type TraceFunction, type TraceSource, traceFunction } from '../../traces/trace-source.js';

/**
 * What a validation runs, live and simulated: functions that do nothing but take their time, and arrivals. Its shape (who is called how often, what takes how long,
 * how much memory) is that of a trace, or of the table below; its times are made to fit a minute on a small machine.
 */

export interface ValidationFunction {
  readonly name: string;
  /** The live containers really have it. */
  readonly memoryMb: number;
  /** Inside the function; ms. */
  readonly warmMs: number;
  /** While the function's code is loaded; ms. */
  readonly importMs: number;
}

export interface Workload {
  readonly functions: readonly ValidationFunction[];
  /** µs since the beginning, ascending; `fn` is an index. */
  readonly arrivals: readonly { readonly atUs: number; readonly fn: number }[];
}

export interface WorkloadOptions {
  readonly seconds: number;
  /** The most often called of the shape. */
  readonly functions: number;
  /** Of the arrivals, where a shape says only how often. */
  readonly seed: number;
  /** CPU slots that the live worker has. */
  readonly slots: number;
}

/** Warm runs keep this share of the slots busy on average, so that there are queues, but none that only grows. */
const LOAD = 0.5;
/** What cold starts of minutes are divided by, and the longest that remains; ms. */
const COLD_DIVISOR = 100;
const IMPORT_MAX_MS = 1500;
/** An interpreter must fit into every container; MiB. */
const BASE_MEMORY_MB = 48;

/** Calls in 300 s, cold and warm duration in ms, memory in MiB: of a sampled Azure workload as Ilúvatar's evaluation uses it. */
const PAPER_SHAPE: readonly (readonly [number, number, number, number])[] = [
  [3912, 1582, 34, 37],
  [1411, 491, 57, 64],
  [1405, 30_171, 145, 6],
  [1138, 12_050, 38, 7],
  [765, 2501, 38, 113],
  [753, 10_672, 23, 94],
  [600, 601_752, 1130, 359],
  [598, 5929, 132, 92],
  [302, 1640, 33, 22],
  [196, 3494, 99, 144],
  [123, 214_195, 14_702, 39],
  [99, 20_072, 8019, 14],
  [90, 488, 28, 20],
  [80, 127_608, 15_561, 6],
  [74, 48_831, 3686, 7],
  [68, 2214, 25, 61],
  [55, 2605, 122, 40],
  [50, 85_687, 36_163, 66],
  [50, 2483, 224, 7],
  [50, 718, 171, 16],
  [49, 41_715, 27_067, 217],
];
const PAPER_SECONDS = 300;

interface Shape {
  readonly names: readonly string[];
  readonly coldMs: readonly number[];
  readonly warmMs: readonly number[];
  readonly memoryMb: readonly number[];
  readonly arrivals: { atUs: number; fn: number }[];
}

/** Of the paper's trace: arrivals of each function come independently, with exponential gaps. */
export function paperWorkload(options: WorkloadOptions): Workload {
  const arrivals: { atUs: number; fn: number }[] = [];
  for (const [fn, [calls]] of PAPER_SHAPE.entries()) {
    const random = seededRandom(options.seed, fn);
    const meanUs = (PAPER_SECONDS * 1e6) / calls;
    for (;;) {
      const last = arrivals.at(-1);
      const from = last === undefined || last.fn !== fn ? 0 : last.atUs;
      const atUs = from + Math.ceil(-Math.log(1 - random()) * meanUs);
      if (atUs >= options.seconds * 1e6) break;
      arrivals.push({ atUs, fn });
    }
  }
  arrivals.sort((a, b) => a.atUs - b.atUs || a.fn - b.fn);
  return scaled(
    {
      names: PAPER_SHAPE.map((_, fn) => `shape-${String(fn + 1).padStart(2, '0')}`),
      coldMs: PAPER_SHAPE.map(([, cold]) => cold),
      warmMs: PAPER_SHAPE.map(([, , warm]) => warm),
      memoryMb: PAPER_SHAPE.map(([, , , memory]) => memory),
      arrivals,
    },
    options,
  );
}

/** Of the beginning of a trace: its own arrivals. */
export async function traceWorkload(trace: TraceSource, options: WorkloadOptions): Promise<Workload> {
  const arrivals: { atUs: number; fn: number }[] = [];
  reading: for await (const { count, atUs, fn } of trace.arrivals()) {
    for (let i = 0; i < count; i++) {
      if ((atUs[i] as number) >= options.seconds * 1e6) break reading;
      arrivals.push({ atUs: atUs[i] as number, fn: fn[i] as number });
    }
  }
  const { functions } = trace;
  return scaled(
    {
      names: functions.map(({ name }) => name),
      coldMs: functions.map(({ coldUs }) => coldUs / 1000),
      warmMs: functions.map(({ warmUs }) => warmUs / 1000),
      memoryMb: functions.map(({ memoryMb }) => memoryMb),
      arrivals,
    },
    options,
  );
}

function scaled(shape: Shape, { seconds, functions, slots }: WorkloadOptions): Workload {
  const calls = shape.names.map(() => 0);
  for (const { fn } of shape.arrivals) calls[fn] = (calls[fn] as number) + 1;
  const kept = shape.names
    .map((_, fn) => fn)
    .filter((fn) => calls[fn] !== 0)
    .sort((a, b) => (calls[b] as number) - (calls[a] as number) || a - b)
    .slice(0, functions);
  if (kept.length === 0) throw new IluvatarError('invalid', `there is no arrival in the first ${seconds} s`);
  const busyMs = kept.reduce((sum, fn) => sum + (calls[fn] as number) * (shape.warmMs[fn] as number), 0);
  const warmScale = Math.min(1, (LOAD * slots * seconds * 1000) / Math.max(1, busyMs));
  const places = new Map(kept.map((fn, place) => [fn, place]));
  return {
    functions: kept.map((fn) => {
      const warmMs = shape.warmMs[fn] as number;
      const creationMs = Math.max(0, (shape.coldMs[fn] as number) - warmMs);
      return {
        name: shape.names[fn] as string,
        memoryMb: BASE_MEMORY_MB + (shape.memoryMb[fn] as number),
        // Whole tenths: what is asked for shall be what a function can be asked to sleep.
        warmMs: Math.max(0.1, Math.round(warmMs * warmScale * 10) / 10),
        importMs: Math.min(IMPORT_MAX_MS, Math.round(creationMs / COLD_DIVISOR)),
      };
    }),
    arrivals: shape.arrivals
      .filter(({ fn }) => places.has(fn))
      .map(({ atUs, fn }) => ({ atUs, fn: places.get(fn) as number })),
  };
}

/** A workload as a simulation reads it. */
export function workloadTrace({ functions, arrivals }: Workload): TraceSource {
  return {
    functions: functions.map(
      ({ name, memoryMb, warmMs, importMs }): TraceFunction =>
        traceFunction({
          name,
          memoryMb,
          warmUs: Math.round(warmMs * 1000),
          coldUs: Math.round((warmMs + importMs) * 1000),
        }),
    ),
    async *arrivals(): AsyncGenerator<ArrivalBatch> {
      const batch = new BatchBuilder();
      for (const { atUs, fn } of arrivals) {
        batch.add(atUs, fn);
        if (!batch.full) continue;
        yield batch;
        batch.count = 0;
      }
      if (batch.count > 0) yield batch;
    },
  };
}
