import type { PolicyEntry } from '../policy.js';
import { gpuFcfs } from './gpu-fcfs.js';
import type { QueuePolicy } from './queue-policy.js';

/** The orders in which invocations may leave for the GPUs, by the name they are configured with. */
export const gpuQueuePolicies = { fcfs: gpuFcfs } as const satisfies Record<string, PolicyEntry<QueuePolicy>>;
