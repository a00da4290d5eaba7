import type { Random } from '../../core/random.js';
import { type Side, STATISTICS, type Statistic } from './statistics.js';

const NAMES = Object.keys(STATISTICS) as Statistic[];

/**
 * Differences (`b` less `a`) of every statistic in so many worlds that could have been: each draws, with replacement, as many runs of a side as it has, and of each as many blocks as
 * it has. With one run a side the first step does nothing: what differs between runs of the same thing cannot be seen then. Sorted; NaN is left out.
 */
export function bootstrapDifferences(
  a: Side,
  b: Side,
  resamples: number,
  random: Random,
  progress: (done: number) => void,
): Record<Statistic, Float64Array> {
  const differences = Object.fromEntries(NAMES.map((name) => [name, [] as number[]])) as Record<Statistic, number[]>;
  for (let i = 0; i < resamples; i++) {
    const [before, after] = [a.statistics(draw(a, random)), b.statistics(draw(b, random))];
    for (const name of NAMES) {
      const difference = after[name] - before[name];
      if (!Number.isNaN(difference)) differences[name].push(difference);
    }
    progress(i + 1);
  }
  return Object.fromEntries(NAMES.map((name) => [name, Float64Array.from(differences[name]).sort()])) as Record<
    Statistic,
    Float64Array
  >;
}

function draw({ runs }: Side, random: Random): (readonly [run: number, block: number])[] {
  const drawn: (readonly [number, number])[] = [];
  for (let i = 0; i < runs.length; i++) {
    const run = Math.floor(random() * runs.length);
    const { length } = (runs[run] as Side['runs'][number]).blocks;
    for (let j = 0; j < length; j++) drawn.push([run, Math.floor(random() * length)]);
  }
  return drawn;
}

/** The interval that leaves out half of `1 − confidence` on each side (Efron's percentile method); null = there are no values. */
export function interval(sorted: Float64Array, confidence: number): readonly [low: number, high: number] | null {
  if (sorted.length === 0) return null;
  const at = (q: number): number =>
    sorted[Math.min(sorted.length - 1, Math.max(0, Math.round(q * (sorted.length - 1))))] as number;
  return [at((1 - confidence) / 2), at((1 + confidence) / 2)];
}
