import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerPort, DestroyReason, EngineLog, Journal } from '../ports.js';
import type { Counters } from './counters.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';

export type Room = 'now' | 'soon' | 'none';

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
   * Whether one more container of this function can be reserved on this device: now, soon (what stands in the way is being destroyed), or not while others run. If
   * `evict`, idle ones are evicted as far as that will make it possible once they are gone; never fewer than needed, never one more. `sparing`: not at the
   * expense of this function.
   */
  makeRoom(lane: FunctionLane, device: number, sparing: FunctionEntry | null, evict: boolean): Room {
    const { budget, gpus } = this.#pool;
    const needMb = lane.fn.spec.memoryMb;
    const { deviceMb } = lane;
    const roomThere = device < 0 || gpus.hasRoom(device, deviceMb);
    if (budget.freeMb >= needMb && roomThere) return 'now';
    if (!evict) return 'none';
    // What runs holds too much: evicting now would only make cold starts.
    if (budget.freeMb + this.#pool.leavingMb + this.#pool.cachedMb < needMb) return 'none';
    if (device >= 0) {
      if (!gpus.couldHold(device, deviceMb)) return 'none';
      while (!gpus.willHaveRoom(device, deviceMb)) {
        if (!this.#evict(this.#pool.victimOn(device), sparing)) return 'none';
      }
    }
    while (budget.freeMb + this.#pool.leavingMb < needMb) {
      if (!this.#evict(this.#pool.victim(), sparing)) return 'none';
    }
    return budget.freeMb >= needMb && (device < 0 || gpus.hasRoom(device, deviceMb)) ? 'now' : 'soon';
  }

  /** Evicts until the buffer is free, or, without one, until nothing is reserved that others use. */
  keepBuffer(): void {
    const bufferMb = this.#bufferMb;
    const { budget } = this.#pool;
    while (budget.freeMb + this.#pool.leavingMb < bufferMb) {
      if (!this.#evict(this.#pool.victim(), null)) return;
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
    else if (reason === 'outgrown') counters.containersOutgrown++;
    this.#log.debug({ function: container.fn.key, container: container.id, reason }, 'container is destroyed');
    this.#port.destroy(container, reason);
  }

  #evict(victim: ContainerEntry | null, sparing: FunctionEntry | null): boolean {
    if (victim === null || victim.fn === sparing) return false;
    this.destroy(victim, 'evicted');
    return true;
  }
}
