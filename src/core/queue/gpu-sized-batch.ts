import { numberOf, type PolicyEntry } from '../policy.js';
import { BatchQueue } from './batches.js';
import type { QueuePolicy } from './queue-policy.js';

/** As `oldest_batch`, but no batch is longer than `batchSize`; the next arrival founds the next one, which waits for its turn by its own head. */
export const gpuSizedBatch: PolicyEntry<QueuePolicy> = {
  name: 'sized_batch',
  family: 'gpu-queue',
  optimises: 'warm starts, with a bound on how long one function holds up the others',
  parameters: [
    { name: 'batchSize', unit: 'invocations', default: 10, min: 1, max: 1e6, meaning: 'The longest batch there is' },
  ],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), GPU queue policy "sized_batch"',
  create: (parameters) => new BatchQueue(numberOf(parameters, 'batchSize'), Number.POSITIVE_INFINITY),
};
