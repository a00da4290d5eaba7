import type { PolicyEntry } from '../../policy.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { type ListNode, NodeList } from './node-list.js';

interface LruNode extends ListNode {
  readonly container: Container;
}

/**
 * Least recently used: the longest idle goes first, and only when memory is needed. Idleness begins when a run ends, not when it began, so that a
 * container that ran for long is not taken for an old one.
 */
export class LruEviction implements EvictionPolicy {
  readonly #idle = new NodeList<LruNode>();

  idle(container: Container): void {
    container.evictionNode ??= { container, listed: false, previous: null, next: null } satisfies LruNode;
    this.#idle.push(container.evictionNode as LruNode);
  }

  leave(container: Container): void {
    const node = container.evictionNode as LruNode | null;
    if (node !== null) this.#idle.remove(node);
  }

  victim(): Container | null {
    return this.#idle.oldest?.container ?? null;
  }

  expired(): Container | null {
    return null;
  }

  nextExpiry(): number {
    return Number.POSITIVE_INFINITY;
  }
}

export const lru: PolicyEntry<EvictionPolicy> = {
  name: 'lru',
  family: 'eviction',
  optimises: 'warm starts for functions used a short time ago; keeps everything while there is memory',
  parameters: [],
  cost: 'O(1)',
  source: 'FaasCache (ASPLOS 2021), as its baseline',
  create: () => new LruEviction(),
};
