import { IluvatarError } from '../../core/index.js';
import { AzureTrace } from '../../traces/azure-trace.js';
import type { TraceFunction, TraceSource } from '../../traces/trace-source.js';
import { describeArrivals } from '../arrivals/describe-arrivals.js';

/** A trace as functions are chosen from it: how often each of them is called, and for how long the trace lasts. */
export interface Population {
  readonly functions: readonly TraceFunction[];
  /** Invocations of each function, by its index. */
  readonly counts: Float64Array;
  /** µs; never 0. */
  readonly lengthUs: number;
}

/** Reads a whole trace once. Of the Azure layout the counts are read and no arrivals made: a day of it has a billion. */
export async function readPopulation(source: TraceSource): Promise<Population> {
  const { functions } = source;
  const counts = new Float64Array(functions.length);
  if (source instanceof AzureTrace) {
    await source.eachCount((fn, _minute, count) => {
      counts[fn] = (counts[fn] as number) + count;
    });
    return { functions, counts, lengthUs: source.lengthUs };
  }
  const { byFunction, lastUs } = await describeArrivals(source);
  for (const [fn, count] of byFunction) counts[fn] = count;
  return { functions, counts, lengthUs: Math.max(1, lastUs) };
}

export interface PopulationLimits {
  /** Functions that are called less often than that do not take part. */
  readonly minInvocations: number;
  /** µs; … that run for longer, warm. */
  readonly maxWarmUs: number;
  /** MiB; … that need more. */
  readonly maxMemoryMb: number;
}

/** Indexes of the functions that are within the limits, ascending. Throws `invalid` when there is none. */
export function eligible({ functions, counts }: Population, limits: PopulationLimits): number[] {
  const { minInvocations, maxWarmUs, maxMemoryMb } = limits;
  const within = functions.flatMap(({ warmUs, memoryMb }, index) =>
    (counts[index] as number) >= minInvocations && warmUs <= maxWarmUs && memoryMb <= maxMemoryMb ? [index] : [],
  );
  if (within.length > 0) return within;
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  throw new IluvatarError(
    'invalid',
    `none of the ${functions.length} functions of the trace is within the limits; the one called most often is called ${most} times`,
  );
}
