import type { ContainerEntry } from '../pool/container-entry.js';
import type { CreationWatch } from '../pool/container-pool.js';
import type { PowerCap, PowerDemand } from '../resources/power-cap.js';
import type { FunctionLane } from './function-lane.js';

/** What one more invocation of a function is expected to take, from what its earlier ones took. `device`: a GPU's index, -1 = the CPU. */
export function powerDemand({ fn, device: kind, expectedUs }: FunctionLane, device: number): PowerDemand {
  const { exec, cpuTime } = fn.stats.of(kind);
  // Never measured: what it may use at most.
  const cores = cpuTime.count === 0 || exec.average === 0 ? fn.spec.cpus : cpuTime.average / exec.average;
  return { cores, gpus: device < 0 ? 0 : 1, runUs: expectedUs };
}

/** Counts containers with the power cap while they are made, whoever waits for them: making one takes a core as running in it does, and cannot be held back any more. */
export class CreationDraws implements CreationWatch {
  readonly #power: PowerCap;
  readonly #now: () => number;

  constructor(power: PowerCap, now: () => number) {
    this.#power = power;
    this.#now = now;
  }

  began(container: ContainerEntry): void {
    if (this.#power.watts === 0) return;
    const { lane, device, gpu } = container;
    // With the run that follows: what begins once it is ready is not asked any more.
    const demand = { ...powerDemand(lane, gpu), runUs: lane.fn.stats.of(device).cold.average };
    container.draw = this.#power.began(demand, this.#now());
  }

  ended(container: ContainerEntry): void {
    if (container.draw !== null) this.#power.ended(container.draw, this.#now());
    container.draw = null;
  }
}
