import type { HeapNode } from '../../priority-heap.js';
import type { Container } from '../container.js';

/** What an eviction policy keeps of a container: its place in a list, and in a heap if the policy has one. */
export interface IdleNode extends HeapNode {
  readonly container: Container;
  linked: boolean;
  previous: IdleNode | null;
  next: IdleNode | null;
}

/**
 * Idle containers, the longest idle first; every operation is O(1). A container's node is made once and kept in `evictionNode`, so that a warm
 * invocation, which takes its container out and puts it back, allocates nothing.
 */
export class IdleList {
  length = 0;
  #head: IdleNode | null = null;
  #tail: IdleNode | null = null;

  get first(): Container | null {
    return this.#head === null ? null : this.#head.container;
  }

  push(container: Container): IdleNode {
    let node = container.evictionNode as IdleNode | null;
    if (node === null) {
      node = { container, linked: false, previous: null, next: null, priority: 0, order: container.id, heapIndex: -1 };
      container.evictionNode = node;
    }
    node.linked = true;
    node.previous = this.#tail;
    node.next = null;
    if (this.#tail === null) this.#head = node;
    else this.#tail.next = node;
    this.#tail = node;
    this.length++;
    return node;
  }

  remove(container: Container): void {
    const node = container.evictionNode as IdleNode | null;
    if (node === null || !node.linked) return;
    const { previous, next } = node;
    if (previous === null) this.#head = next;
    else previous.next = next;
    if (next === null) this.#tail = previous;
    else next.previous = previous;
    node.linked = false;
    node.previous = null;
    node.next = null;
    this.length--;
  }
}
