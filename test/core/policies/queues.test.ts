import { describe, expect, it } from 'vitest';
import { cpuQueuePolicies } from '../../../src/core/queue/cpu-policies.js';
import { FcfsQueue } from '../../../src/core/queue/fcfs.js';
import { gpuQueuePolicies } from '../../../src/core/queue/gpu-policies.js';
import { invocations, type QueueTraits, queuePolicyConformance } from '../conformance/queue-policy.js';

const BATCHES = new Set(['fcfs', 'oldest_batch', 'sized_batch', 'dynamic_batch']);

function traitsOf(name: string): QueueTraits {
  if (name.startsWith('mqfq')) return { returnsToFlow: true };
  return { holdsBack: BATCHES.has(name) };
}

for (const entry of Object.values(cpuQueuePolicies)) queuePolicyConformance(entry);
for (const entry of Object.values(gpuQueuePolicies)) queuePolicyConformance(entry, traitsOf(entry.name));

describe('fcfs', () => {
  it('serves functions in the order of arrival and puts one that comes back where it was', () => {
    const queue = new FcfsQueue();
    const [a, b, c] = invocations(3);
    if (a === undefined || b === undefined || c === undefined) throw new Error('three were asked for');
    queue.push(b);
    queue.push(c);
    queue.requeue(a);
    expect(queue.choose()).toBe(a);
    queue.remove(b);
    queue.remove(a);
    expect(queue.choose()).toBe(c);
  });
});
