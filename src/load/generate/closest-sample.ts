import type { TraceFunction } from '../../traces/trace-source.js';
import type { Population } from './population.js';

export interface CandidateOptions {
  readonly count: number;
  readonly candidates: number;
  /** A random sample. */
  readonly draw: () => number[];
}

/**
 * Of so many random samples the one whose distributions over functions are closest to those of all of `from`: the sum of the Wasserstein distances of invocations, run time a
 * function (invocations × warm time) and memory, each divided by the mean of the whole, so that they weigh the same.
 */
export function closestSample(
  { functions, counts }: Population,
  from: readonly number[],
  options: CandidateOptions,
): number[] {
  const measures: ((index: number) => number)[] = [
    (index) => counts[index] as number,
    (index) => (counts[index] as number) * (functions[index] as TraceFunction).warmUs,
    (index) => (functions[index] as TraceFunction).memoryMb,
  ];
  const whole = measures.map((measure) => {
    const values = sortedValues(from, measure);
    return { measure, values, mean: values.reduce((sum, value) => sum + value, 0) / values.length };
  });
  let best: number[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < options.candidates; i++) {
    const sample = options.draw();
    let distance = 0;
    for (const { measure, values, mean } of whole) {
      if (mean > 0) distance += wassersteinDistance(sortedValues(sample, measure), values) / mean;
    }
    if (distance >= least) continue;
    least = distance;
    best = sample;
  }
  return best;
}

function sortedValues(indexes: readonly number[], measure: (index: number) => number): Float64Array {
  return Float64Array.from(indexes, measure).sort();
}

/**
 * W₁ of two empirical distributions on the line: ∫₀¹ |F⁻¹(q) − G⁻¹(q)| dq, exact, over the steps of both (Vallender, "Calculation of the Wasserstein Distance Between
 * Probability Distributions on the Line", 1974). Both ascend and are not empty.
 */
export function wassersteinDistance(a: Float64Array, b: Float64Array): number {
  let distance = 0;
  let i = 0;
  let j = 0;
  let at = 0;
  while (i < a.length && j < b.length) {
    const endA = (i + 1) / a.length;
    const endB = (j + 1) / b.length;
    const end = Math.min(endA, endB);
    distance += (end - at) * Math.abs((a[i] as number) - (b[j] as number));
    at = end;
    if (endA <= end) i++;
    if (endB <= end) j++;
  }
  return distance;
}
