import type { FunctionRecord } from '../../function-record.js';
import type { PolicyEntry } from '../../policy.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { GhostQueue } from './ghost-queue.js';
import { type ListNode, NodeList } from './node-list.js';
import { isReuse } from './reuse.js';

class S3Node implements ListNode {
  readonly container: Container;
  idle = false;
  listed = false;
  previous: ListNode | null = null;
  next: ListNode | null = null;
  /** Which of the two queues it belongs to. */
  main: boolean;
  /** Uses since it came into its queue, less one for each pass through the main queue; at most 3 (two bits). */
  frequency = 0;

  constructor(container: Container, main: boolean) {
    this.container = container;
    this.main = main;
  }
}

const GREATEST_FREQUENCY = 3;
const SMALL_SHARE = 0.1;

/**
 * S3-FIFO: a new container enters the small queue, or the main one if its function is remembered as a ghost. When memory is needed and the small queue
 * holds a tenth or more of all memory, its oldest goes and its function becomes a ghost; but one used more than once moves to the main queue. Otherwise
 * the oldest of the main queue goes; but one with uses left pays one of them and enters again. Nothing goes by time.
 *
 * The policy does not know the size of the cache, so shares are of what there is: MiB of all containers, running ones too, and ghosts for 9/10 of their
 * number (at least one), as many as the main queue may hold. Containers do not come back; functions do, so ghosts are functions.
 *
 * In the paper nothing is ever in use. Here one that runs when it comes up is taken off its queue, and enters at the new end when it is idle again: the
 * main queue's, if it has been used more than once, else that of its own. Each step is O(1) and paid for by a use since the last one, or is the victim.
 */
export class S3FifoEviction implements EvictionPolicy {
  readonly #small = new NodeList<S3Node>();
  readonly #main = new NodeList<S3Node>();
  readonly #ghosts = new GhostQueue();
  #smallMb = 0;
  #totalMb = 0;
  #containers = 0;
  #idle = 0;
  #named: Container | null = null;

  idle(container: Container): void {
    this.#named = null;
    this.#idle++;
    let node = container.evictionNode as S3Node | null;
    if (node === null) {
      node = new S3Node(container, this.#ghosts.delete(container.fn));
      container.evictionNode = node;
      this.#containers++;
      this.#totalMb += container.memoryMb;
      if (!node.main) this.#smallMb += container.memoryMb;
    }
    node.idle = true;
    if (!node.listed) this.#enter(node);
  }

  leave(container: Container, used: boolean): void {
    const node = container.evictionNode as S3Node | null;
    if (node === null) return;
    const evicted = container === this.#named;
    this.#named = null;
    if (node.idle) this.#idle--;
    node.idle = false;
    if (used) {
      if (isReuse(container) && node.frequency < GREATEST_FREQUENCY) node.frequency++;
      return;
    }
    (node.main ? this.#main : this.#small).remove(node);
    container.evictionNode = null;
    this.#containers--;
    this.#totalMb -= container.memoryMb;
    if (node.main) return;
    this.#smallMb -= container.memoryMb;
    if (evicted) this.#ghosts.add(container.fn, Math.max(1, (1 - SMALL_SHARE) * this.#containers));
  }

  victim(): Container | null {
    while (this.#idle > 0) {
      const smallFirst = this.#smallMb >= SMALL_SHARE * this.#totalMb;
      const queue = (smallFirst && this.#small.length > 0) || this.#main.length === 0 ? this.#small : this.#main;
      const node = queue.oldest as S3Node;
      const stays = node.main ? node.frequency > 0 : node.frequency > 1;
      if (node.idle && !stays) {
        this.#named = node.container;
        return node.container;
      }
      queue.remove(node);
      if (!node.idle) continue;
      if (node.main) node.frequency--;
      this.#enter(node);
    }
    return null;
  }

  expired(): Container | null {
    return null;
  }

  nextExpiry(): number {
    return Number.POSITIVE_INFINITY;
  }

  forget(fn: FunctionRecord): void {
    this.#ghosts.delete(fn);
  }

  #enter(node: S3Node): void {
    if (!node.main && node.frequency > 1) {
      node.main = true;
      node.frequency = 0;
      this.#smallMb -= node.container.memoryMb;
    }
    (node.main ? this.#main : this.#small).push(node);
  }
}

export const s3Fifo: PolicyEntry<EvictionPolicy> = {
  name: 's3_fifo',
  family: 'eviction',
  optimises: 'warm starts: functions called once go early, and a scan over many of them does not displace the others',
  parameters: [],
  cost: 'O(1) a warm invocation, amortised O(1) a victim',
  source: 'Yang et al., FIFO queues are all you need for cache eviction (SOSP 2023), Algorithm 1',
  create: () => new S3FifoEviction(),
};
