import type { PolicyEntry } from '../policy.js';
import { FcfsQueue } from './fcfs.js';
import type { QueuePolicy } from './queue-policy.js';

export const gpuFcfs: PolicyEntry<QueuePolicy> = {
  name: 'fcfs',
  family: 'gpu-queue',
  optimises: 'fairness: nobody is overtaken',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar (HPDC 2023), GPU queue policy "fcfs"',
  create: () => new FcfsQueue(),
};
