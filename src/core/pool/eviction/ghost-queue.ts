import type { FunctionRecord } from '../../function-record.js';
import { type ListNode, NodeList } from './node-list.js';

interface Ghost extends ListNode {
  readonly fn: FunctionRecord;
}

/**
 * Functions that lost a container lately, each once, the oldest forgotten first. A list beside the map, not the map's own order: finding the first key of
 * a map from whose front keys were deleted walks over all of those.
 */
export class GhostQueue {
  readonly #byFunction = new Map<FunctionRecord, Ghost>();
  readonly #queue = new NodeList<Ghost>();

  /** It is the newest now; the oldest are forgotten until at most `limit` are left. */
  add(fn: FunctionRecord, limit: number): void {
    this.delete(fn);
    const ghost: Ghost = { fn, listed: false, previous: null, next: null };
    this.#byFunction.set(fn, ghost);
    this.#queue.push(ghost);
    while (this.#queue.length > limit) this.delete((this.#queue.oldest as Ghost).fn);
  }

  /** Whether it was in here. */
  delete(fn: FunctionRecord): boolean {
    const ghost = this.#byFunction.get(fn);
    if (ghost === undefined) return false;
    this.#byFunction.delete(fn);
    this.#queue.remove(ghost);
    return true;
  }
}
