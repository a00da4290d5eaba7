import type { Invocation } from '../invocation.js';
import type { PolicyEntry } from '../policy.js';
import { PriorityQueue } from './priority-queue.js';
import type { QueuePolicy } from './queue-policy.js';

/**
 * What it would cost to run it now, by the container it would get: the average cold time when it would get none, the average time on a container that never
 * ran when there is such a one, and on a warm container the average warm time, or 0 when the function is running already. µs.
 */
export function costByContainer({ fn }: Invocation): number {
  const { cpu } = fn.stats;
  const state = fn.stateOn('cpu');
  if (state === 'cold') return cpu.cold.average;
  if (state === 'prewarm') return cpu.prewarm.average;
  return fn.running === 0 ? cpu.warm.average : 0;
}

/** Priority = `costByContainer`: what finds a warm container goes first, what would start cold goes last. */
export const coldPriority: PolicyEntry<QueuePolicy> = {
  name: 'cold_pri',
  family: 'cpu-queue',
  optimises: 'cold starts: what finds a warm container overtakes what would start cold',
  parameters: [],
  cost: 'O(log n)',
  source: 'Ilúvatar (HPDC 2023), queue policy "cold_pri"',
  create: () => new PriorityQueue(costByContainer),
};
