import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerPort, DestroyReason, EngineLog, Journal } from '../ports.js';
import type { Counters } from './counters.js';
import type { FunctionEntry } from './function-entry.js';

/**
 * Makes containers and takes them away again: room in the memory budget, the intent in the journal, the command to the port. Who gets them is decided
 * elsewhere.
 */
export class ContainerSupply {
  readonly #pool: ContainerPool;
  readonly #port: ContainerPort;
  readonly #journal: Journal;
  readonly #log: EngineLog;
  readonly #counters: Counters;
  readonly #bufferMb: number;

  constructor(
    pool: ContainerPool,
    port: ContainerPort,
    journal: Journal,
    log: EngineLog,
    counters: Counters,
    bufferMb: number,
  ) {
    this.#pool = pool;
    this.#port = port;
    this.#journal = journal;
    this.#log = log;
    this.#counters = counters;
    this.#bufferMb = bufferMb;
  }

  /** Tells the port to create it. Separate from its reservation, since the answer may be raised from inside. */
  announce(container: ContainerEntry): void {
    this.#counters.containersCreated++;
    this.#journal.containerIntended(container);
    this.#log.debug({ function: container.fn.key, container: container.id }, 'container is created');
    this.#port.create(container);
  }

  /**
   * Whether one more container of this function can be reserved now. If not, idle ones are evicted as far as that will make it possible once
   * they are gone; never fewer than needed, never one more. `sparing`: not at the expense of this function.
   */
  makeRoom(fn: FunctionEntry, sparing: FunctionEntry | null): boolean {
    const needMb = fn.spec.memoryMb;
    const pool = this.#pool;
    const { budget, eviction } = pool;
    if (budget.freeMb >= needMb) return true;
    // What runs holds too much of it: evicting now would only make cold starts.
    if (budget.freeMb + pool.leavingMb + pool.cachedMb < needMb) return false;
    while (budget.freeMb + pool.leavingMb < needMb) {
      const victim = eviction.victim() as ContainerEntry | null;
      if (victim === null || victim.fn === sparing) return false;
      this.destroy(victim, 'evicted');
    }
    return budget.freeMb >= needMb;
  }

  /** Evicts until the buffer is free. */
  keepBuffer(): void {
    const bufferMb = this.#bufferMb;
    const { budget, eviction } = this.#pool;
    while (budget.freeMb + this.#pool.leavingMb < bufferMb) {
      const victim = eviction.victim() as ContainerEntry | null;
      if (victim === null) return;
      this.destroy(victim, 'evicted');
    }
  }

  /** Nothing may run on it any more. Idempotent. */
  destroy(container: ContainerEntry, reason: DestroyReason): void {
    if (container.phase === 'destroying') return;
    this.#pool.leaving(container);
    const counters = this.#counters;
    if (reason === 'evicted') counters.containersEvicted++;
    else if (reason === 'expired') counters.containersExpired++;
    else if (reason === 'crashed') counters.containersCrashed++;
    this.#log.debug({ function: container.fn.key, container: container.id, reason }, 'container is destroyed');
    this.#port.destroy(container, reason);
  }
}
