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

  /** A reading of what a container holds; MiB. Readings are taken elsewhere and may come when it is on its way out. */
  container(container: ContainerEntry, mb: number): void {
    container.measuredMb = mb;
    container.fn.stats.memory.add(mb);
    if (container.fn.spec.memoryPolicy !== 'grow' || container.phase === 'destroying') return;
    const overMb = Math.max(0, Math.ceil(mb - container.memoryMb));
    if (overMb === 0 && container.overshootMb === 0) return;
    this.#pool.overshoots(container, overMb);
    // What it uses above its reservation is somebody's: idle containers make room for it, as far as there are any.
    this.#supply.keepBuffer();
    if (overMb === 0 || container.doomed !== null) return;
    this.#pool.withdraw(container);
    container.doomed = 'outgrown';
    if (container.active === 0) this.#supply.destroy(container, 'outgrown');
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
