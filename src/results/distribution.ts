import type { Histogram } from './histogram.js';

/** Many values in five numbers. Quantiles are by nearest rank and up to 0.4 % too small; mean and greatest are exact. All 0 when there are no values. */
export interface Distribution {
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

export interface DetailedDistribution extends Distribution {
  /** How many values it is of. */
  readonly count: number;
  readonly min: number;
  readonly p999: number;
}

/** `scale`: what the histogram's whole numbers are to be divided by. */
export function distributionOf(histogram: Histogram, scale = 1): Distribution {
  return {
    mean: histogram.mean / scale,
    p50: histogram.quantile(0.5) / scale,
    p90: histogram.quantile(0.9) / scale,
    p99: histogram.quantile(0.99) / scale,
    max: histogram.max / scale,
  };
}

export function detailedDistributionOf(histogram: Histogram, scale = 1): DetailedDistribution {
  const { mean, p50, p90, p99, max } = distributionOf(histogram, scale);
  return {
    count: histogram.count,
    mean,
    min: histogram.min / scale,
    p50,
    p90,
    p99,
    p999: histogram.quantile(0.999) / scale,
    max,
  };
}
