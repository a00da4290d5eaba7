import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerPort, DestroyReason, EngineLog } from '../ports.js';
import type { Counters } from './counters.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import type { AdjustableOptions } from './options.js';

/** `no address`: all are held by containers that may not go for it. */
export type Room = 'now' | 'soon' | 'none' | 'no address';

/**
 * Makes containers and takes them away again: room in the memory budget, the command to the port. Who gets them is decided elsewhere.
 */
export class ContainerSupply {
  readonly #pool: ContainerPool;
  readonly #port: ContainerPort;
  readonly #log: EngineLog;
  readonly #counters: Counters;
  readonly #options: Pick<AdjustableOptions, 'bufferMb'>;
  /** Lanes with something that waits for an address. */
  readonly #waiting = new Set<FunctionLane>();

  constructor(
    pool: ContainerPool,
    port: ContainerPort,
    log: EngineLog,
    counters: Counters,
    options: Pick<AdjustableOptions, 'bufferMb'>,
  ) {
    this.#pool = pool;
    this.#port = port;
    this.#log = log;
    this.#counters = counters;
    this.#options = options;
  }

  /** Tells the port to create it. Separate from its reservation, since the answer may be raised from inside. */
  announce(container: ContainerEntry): void {
    this.#counters.containersCreated++;
    this.#log.debug({ function: container.fn.key, container: container.id }, 'container is created');
    this.#port.create(container);
  }

  /**
   * Whether one more container of this function can be reserved on this device: now, soon (what stands in the way is being destroyed), or not while others run. If
   * `evict`, idle ones are evicted as far as that will make it possible once they are gone; never fewer than needed, never one more. `sparing`: not at the
   * expense of this function.
   */
  makeRoom(lane: FunctionLane, device: number, sparing: FunctionEntry | null, evict: boolean): Room {
    const { budget, gpus, addresses } = this.#pool;
    const { needsAddress } = lane.fn;
    const { deviceMb, hostMb: needMb } = lane;
    if (this.#isRoom(lane, device)) return 'now';
    if (!evict) return 'none';
    // What runs holds too much: evicting now would only make cold starts.
    if (budget.freeMb + this.#pool.leavingMb + this.#pool.cachedMb < needMb) return 'none';
    if (needsAddress && !addresses.couldBeFree) return 'no address';
    if (device >= 0) {
      if (!gpus.couldHold(device, deviceMb)) return 'none';
      while (!gpus.willHaveRoom(device, deviceMb)) {
        if (!this.#evict(this.#pool.victimOn(device), sparing)) return 'none';
      }
    }
    while (needsAddress && !addresses.willBeFree) {
      if (!this.#evict(this.#pool.victimWithAddress(), sparing)) return 'no address';
    }
    while (budget.freeMb + this.#pool.leavingMb < needMb) {
      if (!this.#evict(this.#pool.victim(), sparing)) return 'none';
    }
    return this.#isRoom(lane, device) ? 'now' : 'soon';
  }

  /** For whoever is refused for want of an address. */
  get withoutAddress(): string {
    return `no network address is free for another container (${this.#pool.addresses.held} are held)`;
  }

  /** It is told by `tellWaiting`. */
  waitForAddress(lane: FunctionLane): void {
    lane.lacksAddress = true;
    this.#waiting.add(lane);
  }

  /** An address may have come free, or the container that holds one may have become idle: those that wait for one try again. */
  tellWaiting(): void {
    if (this.#waiting.size === 0 || !this.#pool.addresses.couldBeFree) return;
    const lanes = [...this.#waiting];
    this.#waiting.clear();
    for (const lane of lanes) {
      lane.lacksAddress = false;
      lane.scheduler.line.wake(lane);
    }
  }

  /** Evicts until the buffer is free, or, without one, until nothing is reserved that others use. */
  keepBuffer(): void {
    const { bufferMb } = this.#options;
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

  #isRoom(lane: FunctionLane, device: number): boolean {
    const { budget, gpus, addresses } = this.#pool;
    if (budget.freeMb < lane.hostMb || (lane.fn.needsAddress && addresses.free < 1)) return false;
    return device < 0 || gpus.hasRoom(device, lane.deviceMb);
  }

  #evict(victim: ContainerEntry | null, sparing: FunctionEntry | null): boolean {
    if (victim === null || victim.fn === sparing) return false;
    this.destroy(victim, 'evicted');
    return true;
  }
}
