import type { PolicyEntry } from '../policy.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * The most frequent function first: priority = its average time between arrivals, µs. Those are the functions whose containers are kept. One that came
 * once has no such time yet; it counts as 0 and goes first.
 */
export const minheapIat: PolicyEntry<QueuePolicy> = {
  name: 'minheap_iat',
  family: 'cpu-queue',
  optimises: 'warm starts: what comes often goes first; rare functions wait longer',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), queue policy "minheap_iat"',
  create: () => new PriorityQueue(({ fn }) => fn.stats.interArrival.average),
};
