import type { Device } from './function.js';
import type { ContainerState } from './pool/container.js';

/**
 * What the engine learns about a function: each characteristic as least, greatest, moving average (0.9 old + 0.1 new) and latest. Times in µs, memory in MiB.
 * Every invocation is counted once, at the one place where it ends; 0 = never seen.
 */
export class Characteristic {
  count = 0;
  min = 0;
  max = 0;
  average = 0;
  latest = 0;

  add(value: number): void {
    this.latest = value;
    if (this.count++ === 0) {
      this.min = value;
      this.max = value;
      this.average = value;
      return;
    }
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
    this.average = 0.9 * this.average + 0.1 * value;
  }
}

export class DeviceStats {
  /** Time inside the function on a container that has run before. */
  readonly warm = new Characteristic();
  /** Time inside the function on a container that was ready but had never run. */
  readonly prewarm = new Characteristic();
  /** From leaving the queue to the end, the container's creation included. */
  readonly cold = new Characteristic();
  /** Time inside the function, whatever the container's state. */
  readonly exec = new Characteristic();
  /** CPU time of a run on all cores, where it is measured. */
  readonly cpuTime = new Characteristic();
  /** From enqueueing to the end. */
  readonly e2e = new Characteristic();
  /** What it was estimated to take from enqueueing to the end, where anything was known. */
  readonly estimate = new Characteristic();
  /** How far off that was: e2e − estimate, so below 0 for a pessimistic estimate. */
  readonly estimateError = new Characteristic();

  /** One that was estimated has ended. */
  estimated(estimateUs: number, endToEndUs: number): void {
    this.estimate.add(estimateUs);
    this.estimateError.add(endToEndUs - estimateUs);
  }

  /** What an invocation is expected to take from leaving the queue, on the best container there is; µs. */
  expectedUs(state: ContainerState): number {
    if (state === 'warm') return this.warm.average || this.exec.average;
    if (state === 'prewarm') return this.prewarm.average || this.exec.average;
    return this.cold.average || this.exec.average;
  }
}

export class FunctionStats {
  readonly cpu = new DeviceStats();
  readonly gpu = new DeviceStats();
  /** Between one arrival and the next, refused ones included: it describes the callers. */
  readonly interArrival = new Characteristic();
  /** Measured memory of its containers. */
  readonly memory = new Characteristic();
  /** Page cache that they caused, measured beside it. */
  readonly pageCache = new Characteristic();
  /** What its agent says it has allocated on the GPU. */
  readonly gpuMemory = new Characteristic();

  of(device: Device): DeviceStats {
    return device === 'cpu' ? this.cpu : this.gpu;
  }

  /** One invocation that the function itself has ended, well or with an error of its own. */
  ended(device: Device, state: ContainerState, runUs: number, sinceDispatchUs: number, endToEndUs: number): void {
    const stats = this.of(device);
    if (state === 'warm') stats.warm.add(runUs);
    else if (state === 'prewarm') stats.prewarm.add(runUs);
    else stats.cold.add(sinceDispatchUs);
    stats.exec.add(runUs);
    stats.e2e.add(endToEndUs);
  }
}
