import { IluvatarError } from '../errors.js';
import type { FunctionRecord } from '../function-record.js';
import type { Invocation } from '../invocation.js';
import { numberOf, type PolicyEntry } from '../policy.js';
import { type HeapNode, PriorityHeap } from '../priority-heap.js';
import { ArrivalList, type ArrivalNode } from './arrival-list.js';
import type { QueuePolicy } from './queue-policy.js';

interface Item extends ArrivalNode {
  readonly flow: Flow;
  /** L / w: what it is charged; µs of virtual time. */
  readonly chargeUs: number;
  readonly returned: boolean;
  /** Its finish tag, from when it left. */
  finishUs: number;
}

/** A function with something queued; in the heap by the finish tag of its head. */
class Flow implements HeapNode {
  /** Start tag of its head. */
  startUs: number;
  readonly items = new ArrivalList<Item>();
  priority = 0;
  order = 0;
  heapIndex = -1;

  constructor(startUs: number) {
    this.startUs = startUs;
  }
}

/**
 * Self-clocked fair queueing (Golestani, INFOCOM 1994). The k-th invocation of a function of weight w, expected to execute for L, has the finish tag
 *
 *   F(k) = max(F(k−1), v) + L / w,   v = finish tag of the one that started last, at its arrival
 *
 * and the least finish tag goes first. While two functions stay backlogged, |W₁/w₁ − W₂/w₂| ≤ L₁/w₁ + L₂/w₂ holds for the work W of each that is started in
 * any window, with L the greatest of each. L is the average time of execution on a GPU, as it was at arrival, µs; what an invocation really took is not
 * charged after the fact.
 *
 * While a function has something queued F(k−1) ≥ v, and when it has nothing F ≤ v: so a function needs one tag, that of its head, and none while it has
 * nothing queued. Therefore one that leaves unserved is not charged, and a start from an empty queue, where all functions are equal, need not be seen.
 * One that came back goes first, for it was the first once; its new start is charged to what its function has queued, and does not move v.
 */
export class WfqQueue implements QueuePolicy {
  readonly bypassWhenEmpty = true;
  length = 0;
  readonly #weights: Readonly<Record<string, number>>;
  readonly #unknownUs: number;
  readonly #flows = new Map<FunctionRecord, Flow>();
  readonly #heap = new PriorityHeap<Flow>();
  #virtualUs = 0;

  /** `unknownUs`: L of a function that never ran; 0 would let it pass for free. */
  constructor(weights: Readonly<Record<string, number>>, unknownUs: number) {
    this.#weights = weights;
    this.#unknownUs = unknownUs;
  }

  push(invocation: Invocation): void {
    this.#add(invocation, false);
  }

  requeue(invocation: Invocation): void {
    this.#add(invocation, true);
  }

  choose(): Invocation | null {
    return this.#heap.first()?.items.head?.invocation ?? null;
  }

  remove(invocation: Invocation): void {
    const item = invocation.queueNode as Item;
    const { flow } = item;
    flow.items.remove(item);
    item.finishUs = flow.startUs + item.chargeUs;
    this.length--;
    if (flow.items.length > 0) this.#headChanged(flow);
    else {
      this.#heap.remove(flow);
      this.#flows.delete(invocation.fn);
    }
  }

  started(invocation: Invocation): void {
    const item = invocation.queueNode as Item | null;
    if (item === null) return;
    if (!item.returned) this.#virtualUs = Math.max(this.#virtualUs, item.finishUs);
    const flow = this.#flows.get(invocation.fn);
    if (flow === undefined) return;
    // One that came back meanwhile may have made a new flow, which starts at an older v.
    flow.startUs = Math.max(flow.startUs, item.finishUs);
    this.#headChanged(flow);
  }

  ended(_invocation: Invocation): void {}

  report(): unknown {
    const flows = [...this.#flows].map(([{ key }, { items, startUs }]) => {
      return { function: key, queued: items.length, startTagUs: startUs };
    });
    return { virtualTimeUs: this.#virtualUs, flows };
  }

  #add(invocation: Invocation, returned: boolean): void {
    const { fn } = invocation;
    const flow = this.#flows.get(fn) ?? new Flow(this.#virtualUs);
    this.#flows.set(fn, flow);
    const chargeUs = (fn.stats.gpu.exec.average || this.#unknownUs) / (this.#weights[fn.key] ?? 1);
    const item: Item = { invocation, previous: null, next: null, flow, chargeUs, returned, finishUs: 0 };
    invocation.queueNode = item;
    if (returned) flow.items.insert(item);
    else flow.items.push(item);
    this.length++;
    this.#headChanged(flow);
  }

  #headChanged(flow: Flow): void {
    const { chargeUs, returned, invocation } = flow.items.head as Item;
    const priority = returned ? Number.NEGATIVE_INFINITY : flow.startUs + chargeUs;
    if (flow.heapIndex >= 0 && flow.order === invocation.id && flow.priority === priority) return;
    this.#heap.remove(flow);
    flow.priority = priority;
    flow.order = invocation.id;
    this.#heap.push(flow);
  }
}

export const wfq: PolicyEntry<QueuePolicy> = {
  name: 'wfq',
  family: 'gpu-queue',
  optimises: 'fairness: functions that wait share the GPUs in proportion to their weights',
  parameters: [
    { name: 'weights', unit: 'ratio by function', default: {}, meaning: 'Share of a function; 1 if it is not named' },
    { name: 'unknownMs', unit: 'ms', default: 1000, min: 1, max: 1e9, meaning: 'Charge for what never ran' },
  ],
  cost: 'O(log f)',
  source: 'Golestani, A Self-Clocked Fair Queueing Scheme (INFOCOM 1994)',
  create: (parameters) => {
    const weights = parameters.weights as Readonly<Record<string, number>>;
    for (const [key, weight] of Object.entries(weights)) {
      if (weight > 0 && weight < Number.POSITIVE_INFINITY) continue;
      throw new IluvatarError('invalid', `gpu-queue policy wfq: weights.${key} must be greater than 0, not ${weight}`);
    }
    return new WfqQueue(weights, numberOf(parameters, 'unknownMs') * 1000);
  },
};
