import type { PolicyEntry, PolicyParameter } from '../policy.js';
import type { DispatchPolicy } from './dispatch-policy.js';
import { fewestUses, leastCredit, oldestUse, type VictimOrder } from './gpu-residents.js';
import { LandlordDispatch } from './landlord.js';

/** The Landlord family: one mechanism (landlord.ts), told apart by who goes first. */

const maxSize: PolicyParameter = {
  name: 'maxSizeMs',
  unit: 'ms',
  default: 10_000,
  min: 1,
  max: 1e9,
  meaning: 'Size of the GPU as a cache: sum of the average execution times of the functions that are resident',
};

const hitCredit: PolicyParameter = {
  name: 'hitCredit',
  unit: 'name',
  default: 'add',
  choices: ['add', 'reset'],
  meaning: 'A hit adds its gain to the credit, or raises the credit to its gain (the paper)',
};

const admission: readonly PolicyParameter[] = [
  maxSize,
  {
    name: 'loadThreshold',
    unit: 'ratio',
    default: 0.5,
    min: 0,
    meaning: 'Queued GPU work over maxSizeMs below which every function that gains is admitted',
  },
  {
    name: 'slowdownThreshold',
    unit: 'ratio',
    default: 4,
    min: 0,
    meaning: 'Time to the answer over execution time above which none is admitted',
  },
];

const fixedMode: PolicyParameter = {
  name: 'fixedMode',
  unit: 'boolean',
  default: false,
  meaning: 'Keep the size by evicting, whatever the load',
};

const cost = 'O(1) on a hit; O(r) on a miss: r residents pay rent by what each has queued then';
const paper = 'Young, On-line file caching, Algorithmica 33 (2002)';

export const landlord: PolicyEntry<DispatchPolicy> = {
  name: 'landlord',
  family: 'dispatch',
  optimises: 'time saved by the GPU: functions hold it as long as their gains pay the rent',
  parameters: [...admission, hitCredit, fixedMode],
  cost,
  source: `${paper}; Ilúvatar, enqueueing policy "Landlord"`,
  create: (parameters, { random }) => {
    const rule = { order: leastCredit, paysRent: true, fixedMode: parameters['fixedMode'] === true };
    return new LandlordDispatch(rule, parameters, random);
  },
};

export const landlord_fixed: PolicyEntry<DispatchPolicy> = {
  name: 'landlord_fixed',
  family: 'dispatch',
  optimises: 'time saved by a GPU of fixed size, as a cache of functions',
  parameters: [maxSize, hitCredit],
  cost,
  source: `${paper}; Ilúvatar, enqueueing policy "LandlordFixed"`,
  create: (parameters, { random }) =>
    new LandlordDispatch({ order: leastCredit, paysRent: true, fixedMode: true }, parameters, random),
};

export const landlord_lru = replacement('landlord_lru', 'LRU', oldestUse, 'used longest ago goes first');
export const landlord_lfu = replacement('landlord_lfu', 'LFU', fewestUses, 'used least often goes first');

function replacement(
  name: string,
  upstream: string,
  order: VictimOrder,
  goesFirst: string,
): PolicyEntry<DispatchPolicy> {
  return {
    name,
    family: 'dispatch',
    optimises: `hits of a GPU as a cache of functions: the one ${goesFirst}`,
    parameters: [...admission, fixedMode],
    cost: 'O(1) on a hit; O(r) on a miss: r residents, of which those with something queued cannot go',
    source: `Ilúvatar, enqueueing policy "${upstream}"`,
    create: (parameters, { random }) => {
      const rule = { order, paysRent: false, fixedMode: parameters['fixedMode'] === true };
      return new LandlordDispatch(rule, parameters, random);
    },
  };
}
