import type { Container } from '../container.js';
import { LazyHeap, type LazyNode } from './lazy-heap.js';
import { type ListNode, NodeList } from './node-list.js';

/** What a policy with expiries keeps of a container. */
export class ExpiryNode implements ListNode, LazyNode {
  readonly container: Container;
  listed = false;
  previous: ListNode | null = null;
  next: ListNode | null = null;
  idle = false;
  due = 0;
  dueOrder = 0;
  priority = 0;
  order = 0;
  heapIndex = -1;

  constructor(container: Container) {
    this.container = container;
  }
}

/**
 * Idle containers in two orders: the longest idle first, for when memory is needed, and by the time at which each goes by itself. Both orders
 * together cost a warm invocation O(1); an idle container has no timer.
 */
export class ExpiryQueue<Node extends ExpiryNode> {
  readonly #idle = new NodeList<Node>();
  readonly #expiries = new LazyHeap<Node>();

  /** It has become idle and goes at `expiresAt`. */
  put(node: Node, expiresAt: number): void {
    this.#idle.push(node);
    this.#expiries.put(node, expiresAt, node.container.id);
  }

  leave(node: Node, used: boolean): void {
    this.#idle.remove(node);
    if (used) this.#expiries.take(node);
    else this.#expiries.drop(node);
  }

  longestIdle(): Container | null {
    return this.#idle.oldest?.container ?? null;
  }

  /** Of those whose time is over the one whose time was over first, or null. */
  expired(now: number): Container | null {
    return this.#expiries.first(now)?.container ?? null;
  }

  nextExpiry(): number {
    return this.#expiries.bound();
  }
}
