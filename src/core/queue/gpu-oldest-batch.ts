import type { PolicyEntry } from '../policy.js';
import { BatchQueue } from './batches.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * All that waits of a function is one batch; the batch whose head is oldest goes first, whole. What arrives after it was opened waits in the next one, so a
 * function that is called without end holds up the others for no longer than its batch had grown.
 */
export const gpuOldestBatch: PolicyEntry<QueuePolicy> = {
  name: 'oldest_batch',
  family: 'gpu-queue',
  optimises: 'warm starts: as few changes of function as there can be',
  parameters: [],
  cost: 'O(log f)',
  source: 'Ilúvatar (HPDC 2023), GPU queue policy "oldest_batch"',
  create: () => new BatchQueue(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY),
};
