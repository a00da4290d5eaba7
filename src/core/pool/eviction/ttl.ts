import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { ExpiryHeap } from './expiry-heap.js';
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
  readonly #heap = new ExpiryHeap();

  /** `keepAliveMs`: for functions that name none of their own. */
  constructor(keepAliveMs: number) {
    this.#defaultUs = keepAliveMs * 1000;
  }

  idle(container: Container): void {
    const node = this.#idle.push(container);
    if (node.heapIndex < 0) this.#heap.push(node, this.#expiryOf(container));
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
      if (node === null || node.expiresAt > now) return null;
      if (!node.linked) {
        this.#heap.remove(node);
        continue;
      }
      const expiresAt = this.#expiryOf(node.container);
      if (expiresAt <= now) return node.container;
      this.#heap.postpone(node, expiresAt);
    }
  }

  nextExpiry(): number {
    const node = this.#heap.first();
    return node === null ? Number.POSITIVE_INFINITY : node.expiresAt;
  }

  #expiryOf(container: Container): number {
    const own = container.fn.spec.keepAliveMs;
    return container.idleSince + (own === null ? this.#defaultUs : own * 1000);
  }
}
