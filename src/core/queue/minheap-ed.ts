import type { PolicyEntry } from '../policy.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * Earliest effective deadline first: priority = arrival + the function's average time of execution on a CPU, µs; the moment it would be done had it run at
 * once. Nobody starves: whoever comes later than that moment is behind, however short.
 */
export const minheapEd: PolicyEntry<QueuePolicy> = {
  name: 'minheap_ed',
  family: 'cpu-queue',
  optimises: 'mean waiting time, and no function starves',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), earliest effective deadline first; queue policy "minheap_ed"',
  create: () => new PriorityQueue((invocation) => invocation.enqueuedAt + invocation.fn.stats.cpu.exec.average),
};
