import type { PolicyEntry } from '../policy.js';
import { gpuDynamicBatch } from './gpu-dynamic-batch.js';
import { gpuEedf } from './gpu-eedf.js';
import { gpuFcfs } from './gpu-fcfs.js';
import { gpuOldestBatch } from './gpu-oldest-batch.js';
import { gpuSizedBatch } from './gpu-sized-batch.js';
import { gpuSjf } from './gpu-sjf.js';
import { mqfqPolicies } from './mqfq/policies.js';
import { paella } from './paella.js';
import type { QueuePolicy } from './queue-policy.js';
import { wfq } from './wfq.js';

/** The orders in which invocations may leave for the GPUs, by the name they are configured with. */
export const gpuQueuePolicies = {
  fcfs: gpuFcfs,
  sjf: gpuSjf,
  eedf: gpuEedf,
  oldest_batch: gpuOldestBatch,
  sized_batch: gpuSizedBatch,
  dynamic_batch: gpuDynamicBatch,
  paella,
  wfq,
  ...mqfqPolicies,
} as const satisfies Record<string, PolicyEntry<QueuePolicy>>;
