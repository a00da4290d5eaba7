import type { Alarms } from '../backends/simulated/alarms.js';
import { IluvatarError } from '../core/errors.js';
import { seededRandom } from '../core/index.js';
import type { Arrivals, Rate } from './arrivals/arrivals.js';
import { ConstantRate } from './arrivals/constant-rate.js';
import { LimitedArrivals } from './arrivals/limited-arrivals.js';
import { OnOffRate } from './arrivals/on-off-rate.js';
import { ProcessArrivals } from './arrivals/process-arrivals.js';
import { RampRate } from './arrivals/ramp-rate.js';
import { EvenSpacing, PoissonSpacing } from './arrivals/spacings.js';
import type { CallsParts } from './drivers/calls.js';
import { ClosedLoop, type ClosedLoopOptions } from './drivers/closed-loop.js';
import type { Driver } from './drivers/driver.js';
import { OpenLoop, type OpenLoopOptions } from './drivers/open-loop.js';
import { type LoadTraceOptions, openLoadTrace } from './load-trace.js';
import type { SpacingName } from './spacing-names.js';

/** What is to be sent, as data: every process of a generator makes its own share of it. */
export type Work = OpenWork | ClosedWork;

export interface OpenWork extends OpenLoopOptions {
  readonly kind: 'open';
  readonly arrivals: ArrivalsOf;
  /** The last is before this; µs. Infinity = no end. */
  readonly untilUs: number;
  /** Infinity = no end. */
  readonly count: number;
}

export interface ClosedWork extends Omit<ClosedLoopOptions, 'firstClient' | 'allClients'> {
  readonly kind: 'closed';
}

export type ArrivalsOf =
  | { readonly from: 'trace'; readonly trace: LoadTraceOptions }
  /** Of a program; for one process only. */
  | { readonly from: 'program'; readonly source: Arrivals }
  | {
      readonly from: 'process';
      readonly rate: RateOf;
      readonly spacing: SpacingName;
      readonly seed: number;
    };

export type RateOf =
  | { readonly shape: 'constant'; readonly perSecond: number }
  | { readonly shape: 'on-off'; readonly perSecond: number; readonly onMs: number; readonly offMs: number }
  | { readonly shape: 'ramp'; readonly from: number; readonly to: number; readonly overMs: number };

/** Of `of` processes, number `index`. */
export interface Share {
  readonly index: number;
  readonly of: number;
}

export const ALONE: Share = { index: 0, of: 1 };

/** All arrivals of some work, in order. Throws IluvatarError `invalid` for what cannot be. */
export async function arrivalsOf({ arrivals, untilUs, count }: OpenWork, { index, of }: Share): Promise<Arrivals> {
  const limits = { untilUs, count, share: index, shares: of };
  switch (arrivals.from) {
    case 'trace':
      return new LimitedArrivals(await openLoadTrace(arrivals.trace), limits);
    case 'program':
      if (of > 1) throw new IluvatarError('invalid', 'arrivals that a program makes are for one process');
      return new LimitedArrivals(arrivals.source, limits);
    case 'process': {
      const { spacing, seed } = arrivals;
      const made = new ProcessArrivals({
        rate: rateOf(arrivals.rate),
        spacing: () => (spacing === 'poisson' ? new PoissonSpacing(seededRandom(seed)) : new EvenSpacing()),
        untilUs,
        count,
      });
      return new LimitedArrivals(made, limits);
    }
  }
}

export async function driverOf(work: Work, share: Share, parts: CallsParts, alarms: Alarms): Promise<Driver> {
  if (work.kind === 'open') return new OpenLoop(await arrivalsOf(work, share), work, parts, alarms);
  const clients = part(work.clients, share);
  const firstClient = Array.from({ length: share.index }, (_, index) => part(work.clients, { ...share, index })).reduce(
    (sum, of) => sum + of,
    0,
  );
  const count = Number.isFinite(work.count) ? part(work.count, share) : work.count;
  return new ClosedLoop({ ...work, clients, firstClient, allClients: work.clients, count }, parts, alarms);
}

function rateOf(rate: RateOf): Rate {
  switch (rate.shape) {
    case 'constant':
      return new ConstantRate(rate.perSecond);
    case 'on-off':
      return new OnOffRate(rate.perSecond, rate.onMs, rate.offMs);
    case 'ramp':
      return new RampRate(rate.from, rate.to, rate.overMs);
  }
}

/** A whole number in shares that differ by 1 at most. */
function part(all: number, { index, of }: Share): number {
  return Math.floor(all / of) + (index < all % of ? 1 : 0);
}
