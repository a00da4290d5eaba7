import { type PlanOptions, planTrace } from '../../../src/load/generate/plan.js';
import { ArrayTrace } from '../../../src/traces/array-trace.js';
import type { TraceSource } from '../../../src/traces/trace-source.js';
import { arrivalsOf } from '../../sim/support/files.js';

/** µs */
export const S = 1e6;
export const PLAN: PlanOptions = {
  limits: { minInvocations: 1, maxWarmUs: Number.POSITIVE_INFINITY, maxMemoryMb: Number.POSITIVE_INFINITY },
  sample: null,
  names: null,
  model: 'trace',
  intensity: { speed: 1 },
  fromUs: 0,
  durationUs: null,
  keep: 1,
  seed: 3,
};

/** 100 s: `often` four times a second, evenly, `burst` ten at once every 10 s, `once` in the middle. */
export const source = new ArrayTrace(
  [
    { name: 'often', memoryMb: 64, warmUs: 50_000, coldUs: 500_000 },
    { name: 'burst', memoryMb: 128, warmUs: 100_000 },
    { name: 'once', memoryMb: 512, warmUs: 20 * S },
  ],
  [
    ...Array.from({ length: 400 }, (_, i): [number, string] => [i * 250_000, 'often']),
    ...Array.from({ length: 100 }, (_, i): [number, string] => [Math.floor(i / 10) * 10 * S + (i % 10), 'burst']),
    [50 * S, 'once'] as [number, string],
    [100 * S, 'often'] as [number, string],
  ].sort(([a], [b]) => a - b),
);

export async function planned(
  options: Partial<PlanOptions> = {},
  from: TraceSource = source,
): Promise<TraceSource & { lengthUs: number }> {
  const { functions, arrivals, lengthUs } = await planTrace(from, { ...PLAN, ...options });
  return { functions, arrivals: () => arrivals.arrivals(), lengthUs };
}

export const countsOf = async (trace: TraceSource): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const [, name] of await arrivalsOf(trace)) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
};
