import type { Invocation } from '../invocation.js';
import { type HeapNode, PriorityHeap } from '../priority-heap.js';
import type { QueuePolicy } from './queue-policy.js';

/** What decides the place of an invocation, at the moment it is queued; µs. The least goes first. */
export type PriorityOf = (invocation: Invocation, expectedUs: number) => number;

interface Node extends HeapNode {
  readonly invocation: Invocation;
}

/**
 * Least priority first, equal ones in the order of arrival. Priorities are fixed when an invocation is queued: what is learnt of its function meanwhile does
 * not move it. Every operation is O(log n). A great priority can wait for ever under load.
 */
export class PriorityQueue implements QueuePolicy {
  readonly bypassWhenEmpty = true;
  readonly #priorityOf: PriorityOf;
  readonly #heap = new PriorityHeap<Node>();

  constructor(priorityOf: PriorityOf) {
    this.#priorityOf = priorityOf;
  }

  get length(): number {
    return this.#heap.length;
  }

  push(invocation: Invocation, expectedUs: number): void {
    this.#insert(invocation, this.#priorityOf(invocation, expectedUs));
  }

  /** It was the first once and has waited since: it goes before all that never were, among others that came back by age. */
  requeue(invocation: Invocation): void {
    this.#insert(invocation, Number.NEGATIVE_INFINITY);
  }

  choose(): Invocation | null {
    const first = this.#heap.first();
    return first === null ? null : first.invocation;
  }

  remove(invocation: Invocation): void {
    this.#heap.remove(invocation.queueNode as Node);
    invocation.queueNode = null;
  }

  started(_invocation: Invocation): void {}

  ended(_invocation: Invocation): void {}

  #insert(invocation: Invocation, priority: number): void {
    const node: Node = { invocation, priority, order: invocation.id, heapIndex: -1 };
    invocation.queueNode = node;
    this.#heap.push(node);
  }
}
