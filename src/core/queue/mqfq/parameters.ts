import { IluvatarError } from '../../errors.js';
import { numberOf, type PolicyParameter, type PolicyParameters } from '../../policy.js';
import { type Estimation, estimations } from './estimation.js';

/** What all variants take, with times in µs. */
export interface MqfqSettings {
  /** T. */
  readonly allowedOverrunUs: number;
  /** Negative: that many mean inter-arrival times. */
  readonly ttlUs: number;
  /** 0 = the measured average. */
  readonly serviceUs: number;
  readonly weights: ReadonlyMap<string, number>;
  readonly selectCount: number;
  readonly estimation: Estimation;
  readonly addEstimationError: boolean;
}

export const DEFAULT_TTL_MS = 2000;

/** Eleven days; without a bound an infinite tag would make others NaN. */
const LONGEST_MS = 1e9;

export const mqfqParameters: readonly PolicyParameter[] = [
  {
    name: 'allowedOverrunMs',
    unit: 'ms',
    default: 10_000,
    min: 0,
    max: LONGEST_MS,
    meaning: 'T: lead in virtual time above which a flow is throttled',
  },
  {
    name: 'ttlMs',
    unit: 'ms, or mean inter-arrival times',
    default: DEFAULT_TTL_MS,
    min: -LONGEST_MS,
    max: LONGEST_MS,
    meaning:
      'grace in which a flow that has nothing queued or running stays active; -k = k times the mean inter-arrival time of its function',
  },
  {
    name: 'serviceMs',
    unit: 'ms',
    default: 0,
    min: 0,
    max: LONGEST_MS,
    meaning:
      'what one invocation is charged; 0 = the average execution time of its function, T/10 while that is unknown',
  },
  {
    name: 'weights',
    unit: 'ratio by function',
    default: {},
    meaning: 'share of a function, by its key `name@version`; 1 for those not named',
  },
  {
    name: 'selectCount',
    unit: 'flows',
    default: 0,
    min: 0,
    meaning:
      'flows that mqfq_select_* and V3 choose among: above 1 that many, up to 1 that part of the active ones, never fewer than run at once; 0 = so many',
  },
  {
    name: 'estimation',
    unit: 'name',
    default: 'V3',
    choices: Object.keys(estimations),
    meaning: 'how the wait of one more invocation is estimated',
  },
  {
    name: 'addEstimationError',
    unit: 'flag',
    default: false,
    meaning: 'add the moving average of what estimates for the function were short by; every arrival is then estimated',
  },
];

/** Throws IluvatarError `invalid` for a weight that is not a positive number. */
export function mqfqSettings(parameters: PolicyParameters): MqfqSettings {
  const weights = new Map(Object.entries(parameters['weights'] as Readonly<Record<string, number>>));
  for (const [key, weight] of weights) {
    if (weight > 0 && weight < Number.POSITIVE_INFINITY) continue;
    throw new IluvatarError('invalid', `weights.${key} must be above 0 and finite, not ${weight}`);
  }
  const ttlMs = numberOf(parameters, 'ttlMs');
  return {
    allowedOverrunUs: numberOf(parameters, 'allowedOverrunMs') * 1000,
    ttlUs: ttlMs < 0 ? ttlMs : ttlMs * 1000,
    serviceUs: numberOf(parameters, 'serviceMs') * 1000,
    weights,
    selectCount: numberOf(parameters, 'selectCount'),
    estimation: estimations[parameters['estimation'] as keyof typeof estimations],
    addEstimationError: parameters['addEstimationError'] as boolean,
  };
}
