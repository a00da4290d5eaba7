import type { Invocation } from '../invocation.js';
import type { PolicyEntry } from '../policy.js';
import { ArrivalList, type ArrivalNode } from './arrival-list.js';
import type { QueuePolicy } from './queue-policy.js';

/** First come, first served: the order of arrival. Every operation is O(1). */
export class FcfsQueue implements QueuePolicy {
  readonly bypassWhenEmpty: boolean = true;
  readonly #list = new ArrivalList<ArrivalNode>();

  get length(): number {
    return this.#list.length;
  }

  push(invocation: Invocation): void {
    this.#list.push(nodeOf(invocation));
  }

  /** Everything in here came later, except others that came back: they alone are walked past. */
  requeue(invocation: Invocation): void {
    this.#list.insert(nodeOf(invocation));
  }

  choose(): Invocation | null {
    const { head } = this.#list;
    return head === null ? null : head.invocation;
  }

  remove(invocation: Invocation): void {
    this.#list.remove(invocation.queueNode as ArrivalNode);
    invocation.queueNode = null;
  }

  started(_invocation: Invocation): void {}

  ended(_invocation: Invocation): void {}
}

function nodeOf(invocation: Invocation): ArrivalNode {
  const node: ArrivalNode = { invocation, previous: null, next: null };
  invocation.queueNode = node;
  return node;
}

export const fcfs: PolicyEntry<QueuePolicy> = {
  name: 'fcfs',
  family: 'cpu-queue',
  optimises: 'fairness: nobody is overtaken, waiting times vary least',
  parameters: [],
  cost: 'O(1)',
  source: 'Ilúvatar (HPDC 2023), queue policy "fcfs"',
  create: () => new FcfsQueue(),
};
