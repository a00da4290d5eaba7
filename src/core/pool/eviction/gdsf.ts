import type { FunctionRecord } from '../../function-record.js';
import type { PolicyEntry } from '../../policy.js';
import type { Container } from '../container.js';
import type { EvictionPolicy } from './eviction-policy.js';
import { coldStartPenaltyUs, GreedyDualEviction, GreedyDualNode } from './greedy-dual.js';

/** A function's containers here, and the invocations that they have ended since it had none. */
class Uses {
  containers = 0;
  count = 0;
}

class GdsfNode extends GreedyDualNode {
  readonly uses: Uses;
  /** How many of the container's invocations are in `uses`. */
  counted = 0;

  constructor(container: Container, uses: Uses) {
    super(container);
    this.uses = uses;
  }
}

/**
 * GreedyDual-Size-Frequency: GreedyDual with the priority `clock + frequency × cost / size` (µs / MiB). Cost is the cold-start penalty, size the
 * container's memory. The frequency is that of the function, as in FaasCache: all containers of a function share it, and it is forgotten when the last of
 * them goes. It is at least 1, which it is for an object just brought in (Cherkasova): one made ahead of its first use would otherwise always be the first
 * to go.
 *
 * Only the container that was used is given a new priority. Its siblings keep the one of their own last use, so that the ones in excess go.
 */
export class GdsfEviction extends GreedyDualEviction {
  readonly #uses = new Map<FunctionRecord, Uses>();

  override idle(container: Container): void {
    container.evictionNode ??= this.nodeFor(container);
    const node = container.evictionNode as GdsfNode;
    // From its own count, not from `leave`: a container that runs several at once leaves once for all of them.
    node.uses.count += container.invocations - node.counted;
    node.counted = container.invocations;
    super.idle(container);
  }

  override leave(container: Container, used: boolean): void {
    const node = container.evictionNode as GdsfNode | null;
    super.leave(container, used);
    if (used || node === null) return;
    if (--node.uses.containers === 0 && this.#uses.get(container.fn) === node.uses) this.forget(container.fn);
  }

  forget(fn: FunctionRecord): void {
    this.#uses.delete(fn);
  }

  protected override worth(container: Container): number {
    const { uses } = container.evictionNode as GdsfNode;
    return (Math.max(1, uses.count) * coldStartPenaltyUs(container)) / container.memoryMb;
  }

  protected override nodeFor(container: Container): GdsfNode {
    let uses = this.#uses.get(container.fn);
    if (uses === undefined) {
      uses = new Uses();
      this.#uses.set(container.fn, uses);
    }
    uses.containers++;
    return new GdsfNode(container, uses);
  }
}

export const gdsf: PolicyEntry<EvictionPolicy> = {
  name: 'gdsf',
  family: 'eviction',
  optimises: 'time lost in cold starts for the memory held: keeps what is used often, dear to make and small',
  parameters: [],
  cost: 'O(1) a warm invocation, amortised O(log n) a victim; O(log n) a warm one whose function became cheaper',
  source: 'Cherkasova, HP Labs HPL-98-69R1 (1998), GDSF; for containers FaasCache (ASPLOS 2021), §4.1',
  create: () => new GdsfEviction(),
};
