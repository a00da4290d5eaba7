import type { PolicyEntry } from '../policy.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * Shortest job first: priority = the function's average time of execution on a CPU, µs, whatever container it would get. A function that never ran counts
 * as 0 and goes first: that is how its time becomes known.
 */
export const minheap: PolicyEntry<QueuePolicy> = {
  name: 'minheap',
  family: 'cpu-queue',
  optimises: 'mean waiting time; long functions wait longer',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), shortest job first; queue policy "minheap"',
  create: () => new PriorityQueue(({ fn }) => fn.stats.cpu.exec.average),
};
