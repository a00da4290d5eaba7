import type { WorkerConfig } from '../../config/schema.js';
import { type ErrorClass, type ErrorDetails, IluvatarError } from '../../core/index.js';
import { openTrace, type TraceOptions } from '../../traces/open-trace.js';
import { KnownFuture } from '../policies/offline-optimum.js';
import { type SimulationOptions, simulate } from '../simulate.js';
import type { SimulationSummary } from '../summary.js';
import type { Case } from './variations.js';

/** One simulation of a comparison: what it is given, and what is compared. Both go from thread to thread. */

export interface ComparisonRun {
  readonly trace: TraceOptions;
  readonly config: WorkerConfig;
  readonly offline: Case['offline'];
  readonly seed: number;
  readonly simulation: Pick<
    SimulationOptions,
    'times' | 'sigma' | 'machine' | 'functions' | 'failures' | 'destructionMs'
  >;
}

export interface Measures {
  readonly invocations: number;
  /** Not answered with a result. */
  readonly failed: number;
  readonly coldStarts: number;
  /** Cold starts among the invocations that ran. */
  readonly coldRatio: number;
  /** Mean of end to end divided by the function's warm time. */
  readonly meanSlowdown: number;
  readonly meanQueueMs: number;
  readonly p99QueueMs: number;
  /** Of idle containers, over time; MiB. */
  readonly meanCachedMb: number;
  readonly meanRunningMb: number;
  readonly evicted: number;
  readonly expired: number;
}

/** An error keeps its class on its way between threads only as plain data. */
export type ComparisonEnd =
  | { readonly measures: Measures }
  | { readonly errorClass: ErrorClass; readonly message: string; readonly details: ErrorDetails };

/** The piscina task. */
export async function compareOne(run: ComparisonRun): Promise<ComparisonEnd> {
  try {
    return { measures: await measure(run) };
  } catch (error) {
    if (!(error instanceof IluvatarError)) throw error;
    const { errorClass, message, details } = error;
    return { errorClass, message, details };
  }
}

/** Exponents of the size that the offline optimum is tried with. */
const SIZE_EXPONENTS = [0, 0.5, 1];

/** For the offline optimum: of the exponents that it is tried with, the one that ends with the fewest cold starts. */
export async function measure({ trace, config, offline, seed, simulation }: ComparisonRun): Promise<Measures> {
  const source = await openTrace(trace);
  const options = { ...simulation, trace: source, config, seed };
  if (!offline.cpu && !offline.gpu) return measuresOf(await simulate(options).summary());
  const future = await KnownFuture.of(source);
  let best: Measures | null = null;
  for (const exponent of SIZE_EXPONENTS) {
    const simulated = simulate({
      ...options,
      trace: future.trace,
      adapt: (engine) => future.adapt(engine, exponent, (device) => (device < 0 ? offline.cpu : offline.gpu)),
    });
    const measures = measuresOf(await simulated.summary());
    if (best === null || measures.coldStarts < best.coldStarts) best = measures;
  }
  return best as Measures;
}

function measuresOf(summary: SimulationSummary): Measures {
  const { invocations, outcomes, states, coldRatio, slowdown, queueUs, memory, containers } = summary;
  return {
    invocations,
    failed: invocations - (outcomes['ok'] ?? 0),
    coldStarts: states.cold,
    coldRatio,
    meanSlowdown: slowdown.mean,
    meanQueueMs: queueUs.mean / 1000,
    p99QueueMs: queueUs.p99 / 1000,
    meanCachedMb: memory.meanCachedMb,
    meanRunningMb: memory.meanRunningMb,
    evicted: containers.evicted,
    expired: containers.expired,
  };
}
