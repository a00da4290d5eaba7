import { numberOf, type PolicyEntry, type PolicyParameter } from '../../policy.js';
import { PriorityHeap } from '../../priority-heap.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { IdleList, type IdleNode } from './idle-list.js';

/**
 * Keep-alive by time: a container idle for longer than its function's keep-alive goes; when memory is needed before, the longest idle goes first.
 *
 * The heap is lazy: a container that runs keeps its old entry, which is corrected when it comes up. A warm invocation therefore costs no heap operation, and an
 * idle container has no timer: one early wake-up per keep-alive at most.
 */
export class TtlEviction implements EvictionPolicy {
  readonly #defaultUs: number;
  readonly #idle = new IdleList();
  readonly #heap = new PriorityHeap<IdleNode>();

  /** `keepAliveMs`: for functions that name none of their own. */
  constructor(keepAliveMs: number) {
    this.#defaultUs = keepAliveMs * 1000;
  }

  idle(container: Container): void {
    const node = this.#idle.push(container);
    if (node.heapIndex >= 0) return;
    node.priority = this.#expiryOf(container);
    this.#heap.push(node);
  }

  leave(container: Container, used: boolean): void {
    this.#idle.remove(container);
    // One that is destroyed must not stay in the heap for its whole keep-alive: with many short lives that would be a leak.
    if (!used && container.evictionNode !== null) this.#heap.remove(container.evictionNode as IdleNode);
  }

  victim(): Container | null {
    return this.#idle.first;
  }

  expired(now: number): Container | null {
    for (;;) {
      const node = this.#heap.first();
      if (node === null || node.priority > now) return null;
      if (!node.linked) {
        this.#heap.remove(node);
        continue;
      }
      const expiresAt = this.#expiryOf(node.container);
      if (expiresAt <= now) return node.container;
      this.#heap.move(node, expiresAt);
    }
  }

  nextExpiry(): number {
    const node = this.#heap.first();
    return node === null ? Number.POSITIVE_INFINITY : node.priority;
  }

  #expiryOf(container: Container): number {
    const own = container.fn.spec.keepAliveMs;
    return container.idleSince + (own === null ? this.#defaultUs : own * 1000);
  }
}

const keepAlive: PolicyParameter = {
  name: 'keepAliveMs',
  unit: 'ms',
  default: 600_000,
  min: 0,
  meaning: 'idle time after which a container goes, for functions that name none of their own',
};

export const ttl: PolicyEntry<EvictionPolicy> = {
  name: 'ttl',
  family: 'eviction',
  optimises: 'memory: nothing idles longer than its keep-alive; least recently used first when memory is needed before',
  parameters: [keepAlive],
  cost: 'O(1) a warm invocation, O(log n) a container and keep-alive period',
  source: 'fixed keep-alive as OpenWhisk and AWS Lambda practise it',
  create: (parameters) => new TtlEviction(numberOf(parameters, keepAlive.name)),
};
