import type { PolicyEntry } from '../policy.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/** Earliest effective deadline first: priority = arrival + the function's average time of execution on a GPU, µs. */
export const gpuEedf: PolicyEntry<QueuePolicy> = {
  name: 'eedf',
  family: 'gpu-queue',
  optimises: 'mean waiting time, and no function starves',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), earliest effective deadline first; GPU queue policy "eedf"',
  create: () => new PriorityQueue((invocation) => invocation.enqueuedAt + invocation.fn.stats.gpu.exec.average),
};
