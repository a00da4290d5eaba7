import type { PolicyEntry } from '../policy.js';
import type { DispatchPolicy } from './dispatch-policy.js';

/** Queued on each of its devices; the first that can start it does. The estimate is never wrong, as there is none; the price is work in several queues. */
export class AllDevicesDispatch implements DispatchPolicy {
  choose(): 'all' {
    return 'all';
  }

  ended(): void {}

  forget(): void {}
}

export const all: PolicyEntry<DispatchPolicy> = {
  name: 'all',
  family: 'dispatch',
  optimises: 'waiting time, without any estimate: the first device that is free takes it',
  parameters: [],
  cost: 'O(1), and one place in the queue of each device',
  source: 'Ilúvatar, enqueueing policy "All"',
  create: () => new AllDevicesDispatch(),
};
