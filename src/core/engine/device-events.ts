import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerFailure, EngineLog } from '../ports.js';
import type { GpuDevices } from '../resources/gpu-devices.js';
import type { ContainerSupply } from './container-supply.js';
import type { Counters } from './counters.js';
import type { Termination } from './termination.js';

/** What happens to GPUs: they are lost and found, and read. An index that does not exist is ignored: a monitor may see more devices than are configured. */
export class DeviceEvents {
  readonly #gpus: GpuDevices;
  readonly #pool: ContainerPool;
  readonly #supply: ContainerSupply;
  readonly #termination: Termination;
  readonly #counters: Counters;
  readonly #log: EngineLog;

  constructor(
    pool: ContainerPool,
    supply: ContainerSupply,
    termination: Termination,
    counters: Counters,
    log: EngineLog,
  ) {
    this.#gpus = pool.gpus;
    this.#pool = pool;
    this.#supply = supply;
    this.#termination = termination;
    this.#counters = counters;
    this.#log = log;
  }

  /** Everything on it is lost with it; what ran there is tried again elsewhere if its function allows that. */
  lost(index: number, now: number): void {
    const gpu = this.#gpus.all[index];
    if (gpu === undefined || !gpu.present) return;
    gpu.present = false;
    this.#log.warn({ gpu: index }, 'a GPU is lost');
    const message = `GPU ${index} was lost`;
    const failure: ContainerFailure = { errorClass: 'unavailable', message, details: null, transient: true };
    for (const container of [...this.#pool.all]) {
      if (container.gpu !== index || container.phase === 'destroying') continue;
      if (container.phase === 'creating') {
        this.#counters.containersFailed++;
        this.#supply.destroy(container, 'failed');
        this.#termination.creationLost(container, failure);
      } else this.#termination.containerLost(container, failure, 'crashed', now);
    }
  }

  found(index: number, now: number): void {
    const gpu = this.#gpus.all[index];
    if (gpu === undefined || gpu.present) return;
    gpu.present = true;
    this.#gpus.reading(index, 0, now);
    this.#log.info({ gpu: index }, 'a GPU is back');
  }

  /** A reading of its utilisation; percent. */
  utilization(index: number, percent: number, now: number): void {
    if (this.#gpus.all[index] !== undefined) this.#gpus.reading(index, percent, now);
  }
}
