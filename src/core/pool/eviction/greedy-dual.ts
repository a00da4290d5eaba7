import type { PolicyEntry } from '../../policy.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { LazyHeap, type LazyNode } from './lazy-heap.js';

/** What is kept of a container between its first idleness and its end. */
export class GreedyDualNode implements LazyNode {
  readonly container: Container;
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
 * GreedyDual: each container has the priority `clock + cost` (µs), given anew whenever it becomes idle; the least goes first, and the clock becomes its
 * priority. What is not used thus ages against what comes later, and what is dear to make again ages longest. With equal costs it is LRU: equal priorities
 * go in the order in which they became idle. Nothing goes by time.
 *
 * The priority is given at the end of a run, where the definition gives it at the hit: a container cannot go while it runs, and one that ran for long was
 * used a moment ago. A container that dies otherwise leaves the clock as it is.
 */
export class GreedyDualEviction implements EvictionPolicy {
  readonly #heap = new LazyHeap<GreedyDualNode>();
  #clock = 0;
  #idled = 0;
  #named: Container | null = null;

  idle(container: Container): void {
    container.evictionNode ??= this.nodeFor(container);
    this.#named = null;
    this.#heap.put(container.evictionNode as GreedyDualNode, this.#clock + this.worth(container), ++this.#idled);
  }

  leave(container: Container, used: boolean): void {
    const node = container.evictionNode as GreedyDualNode | null;
    if (node === null) return;
    if (used) this.#heap.take(node);
    else {
      if (container === this.#named) this.#clock = node.due;
      this.#heap.drop(node);
      container.evictionNode = null;
    }
    this.#named = null;
  }

  victim(): Container | null {
    this.#named = this.#heap.first()?.container ?? null;
    return this.#named;
  }

  expired(): Container | null {
    return null;
  }

  nextExpiry(): number {
    return Number.POSITIVE_INFINITY;
  }

  /** What keeping it saves, in the units of the clock. */
  protected worth(container: Container): number {
    return coldStartPenaltyUs(container);
  }

  protected nodeFor(container: Container): GreedyDualNode {
    return new GreedyDualNode(container);
  }
}

/**
 * What a cold start of its function has cost on its device beyond a warm one: difference of the moving averages, µs. While no warm one has been seen, the
 * time inside the function stands for it. At least 1, also while no cold start has been seen: a worth of nothing would make age the only difference.
 */
export function coldStartPenaltyUs({ fn, device }: Container): number {
  const stats = fn.stats.of(device);
  return stats.cold.count === 0 ? 1 : Math.max(1, stats.cold.average - stats.expectedUs('warm'));
}

export const greedyDual: PolicyEntry<EvictionPolicy> = {
  name: 'greedy_dual',
  family: 'eviction',
  optimises: 'time lost in cold starts, when functions differ in what a cold start costs and not in size',
  parameters: [],
  cost: 'O(1) a warm invocation, amortised O(log n) a victim; O(log n) a warm one whose function became cheaper',
  source: 'Young, The k-server dual and loose competitiveness for paging (Algorithmica 11, 1994), GreedyDual',
  create: () => new GreedyDualEviction(),
};
