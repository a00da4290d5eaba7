import type { PolicyEntry } from '../policy.js';
import { fcfs } from './fcfs.js';
import type { QueuePolicy } from './queue-policy.js';

/** The orders in which invocations may leave for the CPU, by the name they are configured with. */
export const cpuQueuePolicies = { fcfs } as const satisfies Record<string, PolicyEntry<QueuePolicy>>;
