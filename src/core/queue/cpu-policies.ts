import type { PolicyEntry } from '../policy.js';
import { coldPriority } from './cold-priority.js';
import { fcfs } from './fcfs.js';
import { minheap } from './minheap.js';
import { minheapEd } from './minheap-ed.js';
import { minheapIat } from './minheap-iat.js';
import { none } from './none.js';
import type { QueuePolicy } from './queue-policy.js';
import { scaling } from './scaling.js';

/** The orders in which invocations may leave for the CPU, by the name they are configured with. */
export const cpuQueuePolicies = {
  none,
  fcfs,
  minheap,
  minheap_ed: minheapEd,
  minheap_iat: minheapIat,
  cold_pri: coldPriority,
  scaling,
} as const satisfies Record<string, PolicyEntry<QueuePolicy>>;
