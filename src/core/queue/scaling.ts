import type { PolicyEntry } from '../policy.js';
import { costByContainer } from './cold-priority.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/** The same order as `cold_pri`, as in the original: its one formula scales by the containers that are available as well as it ranks by coldness. */
export const scaling: PolicyEntry<QueuePolicy> = {
  name: 'scaling',
  family: 'cpu-queue',
  optimises: 'the same as cold_pri: both names stand for one formula',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), queue policy "scaling"',
  create: () => new PriorityQueue(costByContainer),
};
