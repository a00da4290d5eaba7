import { IluvatarError, type Random, seededRandom } from '../../core/index.js';
import { AzureTrace } from '../../traces/azure-trace.js';
import type { TraceFunction, TraceSource } from '../../traces/trace-source.js';
import { ConstantRate } from '../arrivals/constant-rate.js';
import { EvenSpacing, PoissonSpacing } from '../arrivals/spacings.js';
import type { ArrivalModel, SamplingStrategy } from './choices.js';
import { EmpiricalSpacing, type GapDistribution, readGaps } from './gaps.js';
import type { PlannedTrace } from './generate.js';
import { type Intensity, meanSpeed, speedOfPart } from './intensity.js';
import { type FunctionProcess, MergedArrivals, PhasedSpacing } from './merged-arrivals.js';
import { eligible, type Population, type PopulationLimits, readPopulation } from './population.js';
import { ReshapedArrivals } from './reshaped-arrivals.js';
import { sampleFunctions } from './sampling.js';

/** From a trace that there is to one that is to be: some of its functions, and when they are called. */

export interface PlanOptions {
  readonly limits: PopulationLimits;
  /** Null = all that are within the limits. */
  readonly sample: { readonly strategy: SamplingStrategy; readonly count: number; readonly candidates: number } | null;
  /** Of these functions alone, by name. Null = of all. */
  readonly names: readonly string[] | null;
  readonly model: ArrivalModel;
  readonly intensity: Intensity;
  readonly fromUs: number;
  /** Null = as long as the trace. */
  readonly durationUs: number | null;
  readonly keep: number;
  readonly seed: number;
}

const ARRIVAL_STREAM = 16;

/** Throws `invalid` for what cannot be met. Reads the trace once, and once more for `ecdf`. */
export async function planTrace(source: TraceSource, options: PlanOptions): Promise<PlannedTrace> {
  const { sample, seed, model, keep, durationUs } = options;
  const population = await readPopulation(source);
  const within = named(population, eligible(population, options.limits), options.names);
  const chosen = sample === null ? within : sampleFunctions(population, within, { ...sample, seed });
  const functions = chosen.map((index) => population.functions[index] as TraceFunction);
  if (model === 'trace') {
    const speed = await speedOfPart(source, population, chosen, options);
    const restUs = (population.lengthUs - options.fromUs) / speed;
    if (restUs <= 0) {
      throw new IluvatarError(
        'invalid',
        `the trace is ${population.lengthUs / 1e6} s long: it has nothing to begin with at ${options.fromUs / 1e6} s`,
      );
    }
    // Without an end that was asked for, arrivals of the last moment of the trace belong to it.
    const reshaping = { fromUs: options.fromUs, durationUs: durationUs ?? Number.POSITIVE_INFINITY, keep, speed, seed };
    const { part, places } = await partOf(source, population, chosen);
    return {
      functions,
      arrivals: new ReshapedArrivals(part, places, reshaping),
      lengthUs: Math.min(durationUs ?? restUs, restUs),
    };
  }
  if (options.fromUs > 0) {
    throw new IluvatarError(
      'invalid',
      `arrivals that a process makes (${model}) have no place in the trace to begin from`,
    );
  }
  const speed = meanSpeed(population, chosen, options);
  const lengthUs = durationUs ?? population.lengthUs / speed;
  const meanGaps = chosen.map((index) => population.lengthUs / (population.counts[index] as number));
  const processes = await processesOf(model, source, population, chosen, meanGaps, seed);
  const merged = new MergedArrivals(processes, lengthUs * speed);
  const places = Int32Array.from(chosen, (_, place) => place);
  const reshaping = { fromUs: 0, durationUs: lengthUs, keep, speed, seed };
  return { functions, arrivals: new ReshapedArrivals(merged, places, reshaping), lengthUs };
}

function named({ functions }: Population, within: readonly number[], names: readonly string[] | null): number[] {
  if (names === null) return [...within];
  const chosen = new Set(names);
  const found = within.filter((index) => chosen.delete((functions[index] as TraceFunction).name));
  if (chosen.size === 0) return found;
  throw new IluvatarError('invalid', `the trace has no such function within the limits: ${[...chosen].join(', ')}`);
}

/** The trace of the chosen functions alone, and where their numbers go. */
async function partOf(
  source: TraceSource,
  { functions }: Population,
  chosen: readonly number[],
): Promise<{ part: TraceSource; places: Int32Array }> {
  if (source instanceof AzureTrace) {
    return { part: await source.select(chosen), places: Int32Array.from(chosen, (_, place) => place) };
  }
  const places = new Int32Array(functions.length).fill(-1);
  for (const [place, index] of chosen.entries()) places[index] = place;
  return { part: source, places };
}

async function processesOf(
  model: Exclude<ArrivalModel, 'trace'>,
  source: TraceSource,
  population: Population,
  chosen: readonly number[],
  meanGaps: readonly number[],
  seed: number,
): Promise<FunctionProcess[]> {
  let gaps: readonly GapDistribution[] = [];
  if (model === 'ecdf') {
    const { part, places } = await partOf(source, population, chosen);
    const read = await readGaps(part, seed);
    const byPlace = new Array<GapDistribution>(chosen.length);
    for (const [number, place] of places.entries()) {
      if (place >= 0) byPlace[place] = read[number] as GapDistribution;
    }
    gaps = byPlace;
  }
  return meanGaps.map((meanGapUs, place) => {
    const random = (): Random => seededRandom(seed, ARRIVAL_STREAM + place);
    const own = gaps[place];
    // Called once: it has no gap, and one that is as long as the trace on average is all that can be said.
    const empirical = own !== undefined && own.count > 0 && own.meanUs > 0;
    return {
      rate: new ConstantRate(1e6 / (empirical ? own.meanUs : meanGapUs)),
      spacing: () => {
        if (empirical) return new EmpiricalSpacing(own, random());
        if (model !== 'fixed') return new PoissonSpacing(random());
        return new PhasedSpacing(new EvenSpacing(), random()());
      },
    };
  });
}
