import { IluvatarError, type Random, seededRandom } from '../../core/index.js';
import type { SamplingStrategy } from './choices.js';
import { closestSample } from './closest-sample.js';
import type { Population } from './population.js';

export interface SamplingOptions {
  readonly strategy: SamplingStrategy;
  /** How many functions. */
  readonly count: number;
  readonly seed: number;
  /** Of `in-vitro`: random samples that are compared. */
  readonly candidates: number;
}

/** Streams of the seed: that of the sample is not that of the arrivals. */
const SAMPLING_STREAM = 1;

/** Indexes of the chosen among `from`, ascending. Throws `invalid` when there are too few. */
export function sampleFunctions(population: Population, from: readonly number[], options: SamplingOptions): number[] {
  const { strategy, count, seed, candidates } = options;
  if (count > from.length) {
    throw new IluvatarError('invalid', `${count} functions are asked for, and ${from.length} are there to choose from`);
  }
  const random = seededRandom(seed, SAMPLING_STREAM);
  return choose(strategy, population, from, count, random, candidates).sort((a, b) => a - b);
}

function choose(
  strategy: SamplingStrategy,
  population: Population,
  from: readonly number[],
  count: number,
  random: Random,
  candidates: number,
): number[] {
  switch (strategy) {
    case 'representative':
      return fromQuartiles(byCount(population, from, random), count, random);
    case 'in-vitro':
      return closestSample(population, from, { count, candidates, draw: () => shuffled(from, random).slice(0, count) });
    case 'random':
      return shuffled(from, random).slice(0, count);
    case 'rare':
      return byCount(population, from, random).slice(0, count);
    case 'popular':
      return byCount(population, from, random).slice(-count);
    case 'popularity':
      return weighted(population, from, count, random);
  }
}

/** Least called first; of equals, which are most, any order. */
function byCount({ counts }: Population, from: readonly number[], random: Random): number[] {
  return shuffled(from, random).sort((a, b) => (counts[a] as number) - (counts[b] as number));
}

/** What cannot be shared out evenly goes to the quartiles that are called most. */
function fromQuartiles(sorted: readonly number[], count: number, random: Random): number[] {
  const chosen: number[] = [];
  let taken = 0;
  for (let quartile = 0; quartile < 4; quartile++) {
    const from = Math.floor((quartile * sorted.length) / 4);
    const to = Math.floor(((quartile + 1) * sorted.length) / 4);
    const upTo = Math.floor(((quartile + 1) * count) / 4);
    chosen.push(...shuffled(sorted.slice(from, to), random).slice(0, upTo - taken));
    taken = upTo;
  }
  return chosen;
}

/** The `count` with the least −ln(u) / weight: the first to come of exponential clocks that run as fast as functions are called. */
function weighted({ counts }: Population, from: readonly number[], count: number, random: Random): number[] {
  return from
    .map((index) => ({ index, key: -Math.log(1 - random()) / (counts[index] as number) }))
    .sort((a, b) => a.key - b.key || a.index - b.index)
    .slice(0, count)
    .map(({ index }) => index);
}

/** Fisher and Yates, of a copy. */
function shuffled(values: readonly number[], random: Random): number[] {
  const all = [...values];
  for (let i = all.length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    const value = all[i] as number;
    all[i] = all[other] as number;
    all[other] = value;
  }
  return all;
}
