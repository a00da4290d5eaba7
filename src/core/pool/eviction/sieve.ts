import type { PolicyEntry } from '../../policy.js';
import { type HeapNode, PriorityHeap } from '../../priority-heap.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { type ListNode, NodeList } from './node-list.js';
import { isReuse } from './reuse.js';

/** `priority` is the lap of the hand in which it is looked at next, `order` its place in the queue. */
class SieveNode implements ListNode, HeapNode {
  readonly container: Container;
  readonly order: number;
  priority = 0;
  heapIndex = -1;
  idle = false;
  visited = false;
  listed = false;
  previous: ListNode | null = null;
  next: ListNode | null = null;

  constructor(container: Container, order: number) {
    this.container = container;
    this.order = order;
  }
}

/**
 * SIEVE: containers stand in a queue in the order in which they were made and never change places. A use sets a container's visited bit. When memory is
 * needed, a hand goes from the oldest to the newest and around: it clears the bits that are set and takes the first container whose bit is not. The next
 * search goes on from there. When the hand has gone past the newest it starts again at the oldest, whatever was added meanwhile (Algorithm 1: the hand is
 * NULL). Nothing goes by time.
 *
 * In the paper nothing is ever in use. Here containers that run keep their place, and the hand passes them without touching their bit. In a linked queue
 * the hand would have to step over each of them, again in every lap: O(running) a victim. So the hand finds its way through a heap of the idle ones,
 * ordered by (lap, place): one that it meets running is taken out, and comes back to its place by the number of it when it is idle again. Each step of the
 * hand is O(log n) and is paid for by a use since the last look, or is the victim; a warm invocation sets two flags. The linked queue is left to say which
 * is the newest.
 */
export class SieveEviction implements EvictionPolicy {
  readonly #queue = new NodeList<SieveNode>();
  readonly #candidates = new PriorityHeap<SieveNode>();
  #idle = 0;
  #made = 0;
  #lap = 0;
  /** All places up to this one lie behind the hand. */
  #passed = 0;

  idle(container: Container): void {
    let node = container.evictionNode as SieveNode | null;
    if (node === null) {
      const { newest } = this.#queue;
      if (newest !== null && newest.order <= this.#passed) {
        this.#lap++;
        this.#passed = 0;
      }
      node = new SieveNode(container, ++this.#made);
      container.evictionNode = node;
      this.#queue.push(node);
    }
    node.idle = true;
    this.#idle++;
    // It ran and the hand has not come by: it stands where it stood.
    if (node.heapIndex >= 0) return;
    node.priority = node.order > this.#passed ? this.#lap : this.#lap + 1;
    this.#candidates.push(node);
  }

  leave(container: Container, used: boolean): void {
    const node = container.evictionNode as SieveNode | null;
    if (node === null) return;
    if (node.idle) this.#idle--;
    node.idle = false;
    if (used) {
      if (isReuse(container)) node.visited = true;
      return;
    }
    this.#queue.remove(node);
    this.#candidates.remove(node);
    container.evictionNode = null;
  }

  victim(): Container | null {
    // The hand does not move for nothing.
    while (this.#idle > 0) {
      const node = this.#candidates.first() as SieveNode;
      this.#lap = node.priority;
      this.#passed = node.order - 1;
      if (!node.idle) this.#candidates.remove(node);
      else if (node.visited) {
        node.visited = false;
        this.#candidates.move(node, this.#lap + 1);
      } else return node.container;
      this.#passed = node.order;
    }
    return null;
  }

  expired(): Container | null {
    return null;
  }

  nextExpiry(): number {
    return Number.POSITIVE_INFINITY;
  }
}

export const sieve: PolicyEntry<EvictionPolicy> = {
  name: 'sieve',
  family: 'eviction',
  optimises: 'warm starts: what was never used again goes early, what is used now and then stays',
  parameters: [],
  cost: 'O(1) a warm invocation, amortised O(log n) a victim',
  source: 'Zhang et al., SIEVE is simpler than LRU (NSDI 2024), Algorithm 1',
  create: () => new SieveEviction(),
};
