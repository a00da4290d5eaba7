import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerSupply } from './container-supply.js';
import type { Counters } from './counters.js';

/**
 * What is measured of memory, and what follows from it: a container that has outgrown its memory (policy `grow`) takes nothing new and goes when what it runs has ended, and
 * idle ones go when the host is short. No reservation is ever changed by a measurement.
 */
export class MemoryReadings {
  readonly #pool: ContainerPool;
  readonly #supply: ContainerSupply;
  readonly #counters: Counters;

  constructor(pool: ContainerPool, supply: ContainerSupply, counters: Counters) {
    this.#pool = pool;
    this.#supply = supply;
    this.#counters = counters;
  }

  /**
   * A reading of what a container holds; MiB. It may come when the container is on its way out. Only the books are put right: true = what follows from
   * it is for the caller to do, with `follow`, once nothing else is half done.
   */
  note(container: ContainerEntry, mb: number): boolean {
    container.measuredMb = mb;
    container.fn.stats.memory.add(mb);
    const { fn, phase } = container;
    if (fn.spec.memoryPolicy !== 'grow' || phase === 'creating' || phase === 'destroying') return false;
    // Not of its reservation: memory of a device that is the host's is not in what its cgroup counts.
    const overMb = Math.max(0, Math.ceil(mb - fn.spec.memoryMb));
    if (overMb === container.overshootMb) return false;
    this.#pool.overshoots(container, overMb);
    this.#pool.withdraw(container);
    container.doomed ??= 'outgrown';
    return true;
  }

  /** It goes if it runs nothing, and idle containers make room for what is used above reservations, as far as there are any. */
  follow(container: ContainerEntry): void {
    if (container.active === 0 && container.doomed !== null) this.#supply.destroy(container, container.doomed);
    this.#supply.keepBuffer();
  }

  /** The host is short of memory: up to so many idle containers go, in the order of the eviction policy. Returns how many did. */
  relieve(most: number): number {
    let count = 0;
    for (let idle = this.#pool.victim(); idle !== null && count < most; idle = this.#pool.victim()) {
      this.#supply.destroy(idle, 'evicted');
      count++;
    }
    this.#counters.containersRelieved += count;
    return count;
  }
}
