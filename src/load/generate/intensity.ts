import { IluvatarError } from '../../core/index.js';
import { AzureTrace } from '../../traces/azure-trace.js';
import type { TraceFunction, TraceSource } from '../../traces/trace-source.js';
import type { Population } from './population.js';

/** How often things are called, as compared with the trace. Given by one of these. */
export type Intensity =
  | { readonly speed: number }
  /** Invocations a second, of all functions together. */
  | { readonly rate: number }
  /** Slots that are busy on average, by Little's law, all warm. */
  | { readonly busySlots: number };

export interface IntensityOptions {
  readonly intensity: Intensity;
  /** Of the invocations, the share that is kept. */
  readonly keep: number;
  readonly fromUs: number;
  /** Of what is made; µs. Null = all of the trace from there. */
  readonly durationUs: number | null;
}

const MINUTE_US = 60_000_000;

/** What one invocation adds to what is asked for. */
type Weight = (fn: TraceFunction) => number;

/** The speed with which the functions chosen are as busy, on average over the whole trace, as was asked for. */
export function meanSpeed(population: Population, chosen: readonly number[], options: IntensityOptions): number {
  const { intensity, keep } = options;
  if ('speed' in intensity) return intensity.speed;
  const { weight, perUs } = goalOf(intensity);
  const { functions, counts, lengthUs } = population;
  const total = chosen.reduce(
    (sum, index) => sum + (counts[index] as number) * weight(functions[index] as TraceFunction),
    0,
  );
  return perUs / checked((total * keep) / lengthUs);
}

/**
 * The same for a part of the trace, whose load may be far from the mean: the speed at which as much of the trace goes into the duration as makes the load that was asked
 * for. Throws `invalid` when all that there is would not be enough.
 */
export async function speedOfPart(
  source: TraceSource,
  population: Population,
  chosen: readonly number[],
  options: IntensityOptions,
): Promise<number> {
  const { intensity, keep, fromUs, durationUs } = options;
  if ('speed' in intensity || (durationUs === null && fromUs === 0)) return meanSpeed(population, chosen, options);
  const { weight, perUs } = goalOf(intensity);
  const weights = new Float64Array(population.functions.length);
  for (const index of chosen) weights[index] = weight(population.functions[index] as TraceFunction) * keep;
  if (durationUs === null) {
    const whole = await timeOf(source, population, weights, fromUs, Number.POSITIVE_INFINITY);
    return perUs / checked(whole.reached / (population.lengthUs - fromUs));
  }
  // A little less: sums of fractions must not miss it by their last digit.
  const goal = perUs * durationUs * (1 - 1e-9);
  const { reached, atUs } = await timeOf(source, population, weights, fromUs, goal);
  checked(reached);
  if (reached >= goal && atUs > fromUs) return (atUs - fromUs) / durationUs;
  throw new IluvatarError(
    'invalid',
    `all that the functions chosen do in the trace from there makes ${Math.round((100 * reached) / goal)} % of what was asked for: more functions, a shorter duration, or less`,
  );
}

function goalOf(intensity: Exclude<Intensity, { readonly speed: number }>): { weight: Weight; perUs: number } {
  if ('rate' in intensity) return { weight: () => 1, perUs: intensity.rate / 1e6 };
  return { weight: ({ warmUs }) => warmUs, perUs: intensity.busySlots };
}

function checked(amount: number): number {
  if (amount > 0) return amount;
  throw new IluvatarError('invalid', 'the functions chosen take no time, or are not called: no rate makes them busy');
}

/** When so much has been added up since `fromUs`, or how much there is at the end. Of the Azure layout by minutes, within which it grows evenly. */
async function timeOf(
  source: TraceSource,
  { lengthUs }: Population,
  weights: Float64Array,
  fromUs: number,
  goal: number,
): Promise<{ reached: number; atUs: number }> {
  let reached = 0;
  if (source instanceof AzureTrace) {
    const minutes = new Float64Array(Math.ceil(lengthUs / MINUTE_US));
    await source.eachCount((fn, minute, count) => {
      minutes[minute] = (minutes[minute] as number) + count * (weights[fn] as number);
    });
    for (const [minute, amount] of minutes.entries()) {
      const begin = Math.max(fromUs, minute * MINUTE_US);
      const part = Math.max(0, (minute + 1) * MINUTE_US - begin);
      const added = (amount * part) / MINUTE_US;
      if (added > 0 && reached + added >= goal)
        return { reached: goal, atUs: begin + (part * (goal - reached)) / added };
      reached += added;
    }
    return { reached, atUs: lengthUs };
  }
  for await (const { count, atUs, fn } of source.arrivals()) {
    for (let i = 0; i < count; i++) {
      if ((atUs[i] as number) < fromUs) continue;
      reached += weights[fn[i] as number] as number;
      // The next µs: the arrival that reaches it belongs to it.
      if (reached >= goal) return { reached, atUs: (atUs[i] as number) + 1 };
    }
  }
  return { reached, atUs: lengthUs };
}
