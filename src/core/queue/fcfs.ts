import type { Invocation } from '../invocation.js';
import type { PolicyEntry } from '../policy.js';
import type { QueuePolicy } from './queue-policy.js';

interface Node {
  readonly invocation: Invocation;
  previous: Node | null;
  next: Node | null;
}

/** First come, first served: a linked list in the order of arrival. Every operation is O(1). */
export class FcfsQueue implements QueuePolicy {
  readonly bypassWhenEmpty: boolean = true;
  length = 0;
  #head: Node | null = null;
  #tail: Node | null = null;

  push(invocation: Invocation): void {
    this.#link(invocation, this.#tail, null);
  }

  /** Everything in here came later, except others that came back: they alone are walked past. */
  requeue(invocation: Invocation): void {
    let after: Node | null = null;
    let before = this.#head;
    while (before !== null && before.invocation.id < invocation.id) {
      after = before;
      before = before.next;
    }
    this.#link(invocation, after, before);
  }

  choose(): Invocation | null {
    return this.#head === null ? null : this.#head.invocation;
  }

  remove(invocation: Invocation): void {
    const { previous, next } = invocation.queueNode as Node;
    if (previous === null) this.#head = next;
    else previous.next = next;
    if (next === null) this.#tail = previous;
    else next.previous = previous;
    invocation.queueNode = null;
    this.length--;
  }

  started(_invocation: Invocation): void {}

  ended(_invocation: Invocation): void {}

  #link(invocation: Invocation, previous: Node | null, next: Node | null): void {
    const node: Node = { invocation, previous, next };
    invocation.queueNode = node;
    if (previous === null) this.#head = node;
    else previous.next = node;
    if (next === null) this.#tail = node;
    else next.previous = node;
    this.length++;
  }
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
