import { numberOf, type PolicyEntry } from '../policy.js';
import { BatchQueue } from './batches.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * First come, first served with a look-ahead: an arrival joins the batch of its function among the `window` youngest that wait, while that has fewer than
 * `batchSize`. So with one token, and while nobody gives up waiting, an invocation is overtaken by no more than
 * (window − 1) · (batchSize − 1) that came later.
 */
export const gpuDynamicBatch: PolicyEntry<QueuePolicy> = {
  name: 'dynamic_batch',
  family: 'gpu-queue',
  optimises: 'warm starts, with a bound on how many may overtake',
  parameters: [
    {
      name: 'window',
      unit: 'batches',
      default: 4,
      min: 1,
      max: 1000,
      meaning: 'How far from the tail a batch is joined',
    },
    { name: 'batchSize', unit: 'invocations', default: 4, min: 1, max: 1e6, meaning: 'The longest batch there is' },
  ],
  cost: 'O(window + log n)',
  source: 'Ilúvatar, the unfinished "DynBatchGpuQueue"',
  create: (parameters) => new BatchQueue(numberOf(parameters, 'batchSize'), numberOf(parameters, 'window')),
};
