import type { PolicyEntry } from '../policy.js';
import { FcfsQueue } from './fcfs.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * No order at all: meant for unlimited CPU slots, where everything leaves as it comes. What has to wait all the same, for memory or for slots that were
 * limited, waits as in `fcfs` and is counted: a queue that calls itself empty would hide an overload.
 */
export const none: PolicyEntry<QueuePolicy> = {
  name: 'none',
  family: 'cpu-queue',
  optimises: 'nothing: for unlimited CPU slots; what waits for memory goes in the order of arrival',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar (HPDC 2023), queue policy "none"; same class as "fcfs"',
  create: () => new FcfsQueue(),
};
