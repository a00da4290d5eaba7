import { numberOf, type PolicyEntry, type PolicyParameter } from '../../policy.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { ExpiryNode, ExpiryQueue } from './expiry-queue.js';

/**
 * Keep-alive by time: a container idle for longer than its function's keep-alive goes; when memory is needed before, the longest idle goes first. Its
 * idleness begins at the end of its last run. What runs has no expiry, however long it runs.
 */
export class TtlEviction implements EvictionPolicy {
  readonly #defaultUs: number;
  readonly #queue = new ExpiryQueue<ExpiryNode>();

  /** `keepAliveMs`: for functions that name none of their own. */
  constructor(keepAliveMs: number) {
    this.#defaultUs = keepAliveMs * 1000;
  }

  idle(container: Container): void {
    container.evictionNode ??= new ExpiryNode(container);
    const own = container.fn.spec.keepAliveMs;
    const keepAliveUs = own === null ? this.#defaultUs : own * 1000;
    this.#queue.put(container.evictionNode as ExpiryNode, container.idleSince + keepAliveUs);
  }

  leave(container: Container, used: boolean): void {
    const node = container.evictionNode as ExpiryNode | null;
    if (node !== null) this.#queue.leave(node, used);
  }

  victim(): Container | null {
    return this.#queue.longestIdle();
  }

  expired(now: number): Container | null {
    return this.#queue.expired(now);
  }

  nextExpiry(): number {
    return this.#queue.nextExpiry();
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
