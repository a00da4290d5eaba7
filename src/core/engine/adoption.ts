import type { Device } from '../function.js';
import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerSupply } from './container-supply.js';
import type { Counters } from './counters.js';
import type { FunctionEntry } from './function-entry.js';

/** A container that an earlier process of the worker made, and that runs nothing now. */
export interface ExistingContainer {
  readonly backend: string;
  readonly device: Device;
  /** The one it is attached to; -1 on the CPU. */
  readonly gpu: number;
  /** The port's, as in `Container.handle`. */
  readonly handle: unknown;
}

/** Takes containers that exist already into the books: memory, addresses and devices are reserved for them as for new ones, but nothing is evicted to make room. */
export class Adoption {
  readonly #pool: ContainerPool;
  readonly #supply: ContainerSupply;
  readonly #counters: Counters;

  constructor(pool: ContainerPool, supply: ContainerSupply, counters: Counters) {
    this.#pool = pool;
    this.#supply = supply;
    this.#counters = counters;
  }

  /** Idle at once, and warm. Null when there is no room, or the function may not have it any more. To be followed by a run of the pump. */
  take(fn: FunctionEntry, existing: ExistingContainer, now: number): ContainerEntry | null {
    const { backend, device, gpu, handle } = existing;
    if (fn.removed || !fn.devices.includes(device) || !fn.backends.includes(backend)) return null;
    if (gpu >= this.#pool.gpus.all.length || gpu >= 0 !== (device === 'gpu')) return null;
    const lane = fn.laneOf(device);
    if (!lane.mayCreate) return null;
    const container = this.#pool.reserve(lane, gpu, backend, now);
    if (container === null) return null;
    this.#counters.containersAdopted++;
    container.handle = handle;
    container.state = 'warm';
    this.#pool.ready(container, now);
    lane.scheduler.offer(lane, now);
    this.#supply.keepBuffer();
    return container;
  }
}
