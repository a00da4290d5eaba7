import type { QueuePolicy } from '../queue/queue-policy.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationEntry } from './invocation-entry.js';

/** What is queued on all devices together, each invocation counted once. */
export interface QueueTotals {
  queued: number;
}

/**
 * Where invocations wait for the devices of one kind: in the queue policy, which orders them, or on their function's own wait list, while the function has no place for them.
 * From there they come back to the policy one at a time and oldest first, as places come free; so one busy function never blocks the others, and within a
 * function the order stays that of arrival.
 */
export class WaitingLine {
  queued = 0;
  /** Expected work of everything queued; µs of one CPU slot, or of one token. */
  queuedUs = 0;
  readonly policy: QueuePolicy;
  readonly #totals: QueueTotals;
  readonly #now: () => number;

  constructor(policy: QueuePolicy, totals: QueueTotals, now: () => number) {
    this.policy = policy;
    this.#totals = totals;
    this.#now = now;
  }

  /** `again`: it was queued before and could not run. */
  add(invocation: InvocationEntry, lane: FunctionLane, expectedUs: number, again: boolean): void {
    this.queued++;
    lane.queued++;
    if (!invocation.isStandIn) {
      this.#totals.queued++;
      lane.fn.queued++;
    }
    invocation.place = 'policy';
    lane.choosable.push(invocation);
    if (!again) invocation.expectedUs = lane.device === 'cpu' ? (expectedUs * lane.fn.milliSlots) / 1000 : expectedUs;
    this.queuedUs += invocation.expectedUs;
    if (again) this.policy.requeue(invocation, this.#now());
    else this.policy.push(invocation, expectedUs, this.#now());
  }

  /** Takes it out, wherever in here it is. */
  remove(invocation: InvocationEntry, lane: FunctionLane): void {
    if (invocation.place === 'policy') this.#leavePolicy(invocation, lane);
    else lane.waiting.remove(invocation);
    invocation.place = 'nowhere';
    this.queued--;
    lane.queued--;
    if (!invocation.isStandIn) {
      this.#totals.queued--;
      lane.fn.queued--;
    }
    this.queuedUs = this.queued === 0 ? 0 : this.queuedUs - invocation.expectedUs;
    this.wake(lane);
  }

  /** Its function has no place for it: it waits outside the policy. */
  park(invocation: InvocationEntry, lane: FunctionLane): void {
    this.#leavePolicy(invocation, lane);
    invocation.place = 'waiting';
    lane.waiting.insertInOrder(invocation);
    this.wake(lane);
  }

  /** If the function has a place again, its oldest waiting invocation may be chosen again. */
  wake(lane: FunctionLane): void {
    const invocation = lane.waiting.head;
    if (invocation === null || lane.woken !== null || !lane.hasPlace) return;
    lane.waiting.remove(invocation);
    lane.woken = invocation;
    invocation.place = 'policy';
    lane.choosable.push(invocation);
    this.policy.requeue(invocation, this.#now());
  }

  #leavePolicy(invocation: InvocationEntry, lane: FunctionLane): void {
    this.policy.remove(invocation);
    lane.choosable.remove(invocation);
    if (lane.woken === invocation) lane.woken = null;
  }
}
