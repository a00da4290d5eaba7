import type { PolicyEntry } from '../policy.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/** Shortest job first: priority = what it was expected to take when it was queued, µs, on the best container that was free then; a cold start counts. */
export const gpuSjf: PolicyEntry<QueuePolicy> = {
  name: 'sjf',
  family: 'gpu-queue',
  optimises: 'mean waiting time; long functions wait longer',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), shortest job first; GPU queue policy "sjf"',
  create: () => new PriorityQueue((_invocation, expectedUs) => expectedUs),
};
