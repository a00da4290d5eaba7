import type { PolicyEntry } from '../policy.js';
import { BatchQueue } from './batches.js';
import type { QueuePolicy } from './queue-policy.js';

/** First come, first served, and an arrival joins the batch at the tail when that is of its function: what came together runs on one container. */
export const gpuFcfs: PolicyEntry<QueuePolicy> = {
  name: 'fcfs',
  family: 'gpu-queue',
  optimises: 'fairness: nobody is overtaken while there is one token; runs of one function share a container',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), GPU queue policy "fcfs"',
  create: () => new BatchQueue(Number.POSITIVE_INFINITY, 1),
};
