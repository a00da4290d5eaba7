import type { DeviceSet } from './device-set.js';
import type { GpuOptions } from './gpu-options.js';

/** What the reading of a GPU grows by when one more invocation starts on it and nothing ran before; percent. */
const FIRST_RUN_PERCENT = 50;

/** One GPU as the engine keeps it. Memory in MiB. */
export class Gpu {
  readonly index: number;
  /** False while it is lost: nothing starts on it and nothing is attached to it. */
  present = true;
  /** Tokens taken: invocations that run on it or for which a container is being made on it. */
  running = 0;
  attached = 0;
  attachedMb = 0;
  /** Part of these that is idle, and part that is being destroyed. */
  idle = 0;
  idleMb = 0;
  leaving = 0;
  leavingMb = 0;
  /** Last reading, corrected for what has started and ended since; percent. */
  utilization = 0;
  /** Since when nothing starts on it because others use it; µs, Infinity = that is not so, or one may be tried by now. */
  heldSince = Number.POSITIVE_INFINITY;
  /** It was held for long enough: one invocation is tried on it. */
  trial = false;

  constructor(index: number) {
    this.index = index;
  }
}

/**
 * The GPUs: who may attach and who may run. A token is always one of the very device that the invocation's container is attached to. Device memory is a
 * reservation like host memory, made before the container and given back when it is gone. Every operation is O(devices) at most.
 */
export class GpuDevices implements DeviceSet {
  readonly all: readonly Gpu[];
  readonly options: GpuOptions;

  constructor(options: GpuOptions) {
    this.options = options;
    this.all = Array.from({ length: options.count }, (_, index) => new Gpu(index));
  }

  get tokens(): number {
    return this.options.count * this.options.concurrency;
  }

  /** MiB that a container reserves whose function names nothing else. */
  get shareMb(): number {
    const { perFunctionMemoryMb, memoryMb, slots } = this.options;
    return perFunctionMemoryMb > 0 ? perFunctionMemoryMb : Math.floor(memoryMb / slots);
  }

  /** The least used first when utilisation is limited, else the one with most free tokens; then by index. */
  candidates(): readonly number[] {
    const free = this.all.filter((gpu) => this.hasToken(gpu.index));
    if (free.length > 1) {
      const limited = this.options.utilizationLimit > 0;
      free.sort((a, b) => (limited ? a.utilization - b.utilization : 0) || a.running - b.running || a.index - b.index);
    }
    return free.map((gpu) => gpu.index);
  }

  hasToken(device: number): boolean {
    const gpu = this.#at(device);
    return gpu.present && gpu.running < this.options.concurrency && !this.isHeld(gpu);
  }

  /** Nothing starts on it because of its utilisation. */
  isHeld({ utilization, trial }: Gpu): boolean {
    const { utilizationLimit } = this.options;
    return utilizationLimit > 0 && utilization > utilizationLimit && !trial;
  }

  /** A reading of its utilisation; percent. */
  reading(device: number, percent: number, now: number): void {
    const gpu = this.#at(device);
    gpu.utilization = percent;
    if (percent <= this.options.utilizationLimit) gpu.trial = false;
    // While something of ours runs, its end takes the utilisation back: only a GPU that others use could be held for ever.
    if (gpu.running > 0 || !this.isHeld(gpu)) gpu.heldSince = Number.POSITIVE_INFINITY;
    else gpu.heldSince = Math.min(gpu.heldSince, now);
  }

  /** When the next of those that are held is to be tried (`tryHeld`); µs, Infinity = never. */
  nextTrial(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { heldSince } of this.all) next = Math.min(next, heldSince + this.options.utilizationHoldMs * 1000);
    return next;
  }

  tryHeld(now: number): void {
    if (now < this.nextTrial()) return;
    for (const gpu of this.all) {
      if (now < gpu.heldSince + this.options.utilizationHoldMs * 1000) continue;
      gpu.heldSince = Number.POSITIVE_INFINITY;
      gpu.trial = true;
    }
  }

  takeToken(device: number): void {
    const gpu = this.#at(device);
    gpu.trial = false;
    gpu.heldSince = Number.POSITIVE_INFINITY;
    gpu.utilization += gpu.running === 0 ? FIRST_RUN_PERCENT : gpu.utilization / gpu.running;
    if (gpu.utilization > 100) gpu.utilization = 100;
    gpu.running++;
  }

  releaseToken(device: number): void {
    const gpu = this.#at(device);
    gpu.utilization *= (gpu.running - 1) / gpu.running;
    gpu.running--;
  }

  roomiest(memoryMb: number): number | null {
    let best: Gpu | null = null;
    for (const gpu of this.all) {
      if (!gpu.present || !this.couldHold(gpu.index, memoryMb)) continue;
      if (best === null || gpu.attached - gpu.leaving < best.attached - best.leaving) best = gpu;
    }
    return best === null ? null : best.index;
  }

  /** Room for one more container now. */
  hasRoom(device: number, memoryMb: number): boolean {
    return this.#fits(device, memoryMb, 0, 0);
  }

  /** Room once what is being destroyed is gone. */
  willHaveRoom(device: number, memoryMb: number): boolean {
    const { leaving, leavingMb } = this.#at(device);
    return this.#fits(device, memoryMb, leaving, leavingMb);
  }

  /** Room once everything idle is gone as well. */
  couldHold(device: number, memoryMb: number): boolean {
    const { leaving, leavingMb, idle, idleMb } = this.#at(device);
    return this.#fits(device, memoryMb, leaving + idle, leavingMb + idleMb);
  }

  attach(device: number, memoryMb: number): void {
    const gpu = this.#at(device);
    gpu.attached++;
    gpu.attachedMb += memoryMb;
  }

  detach(device: number, memoryMb: number): void {
    const gpu = this.#at(device);
    gpu.attached--;
    gpu.attachedMb -= memoryMb;
  }

  /** A container attached to it has become idle (1) or stops being idle (-1). */
  idle(device: number, memoryMb: number, by: 1 | -1): void {
    const gpu = this.#at(device);
    gpu.idle += by;
    gpu.idleMb += by * memoryMb;
  }

  /** A container attached to it is being destroyed (1) or is gone (-1). */
  leaving(device: number, memoryMb: number, by: 1 | -1): void {
    const gpu = this.#at(device);
    gpu.leaving += by;
    gpu.leavingMb += by * memoryMb;
  }

  #fits(device: number, memoryMb: number, lessCount: number, lessMb: number): boolean {
    const { present, attached, attachedMb } = this.#at(device);
    const { slots, memoryMb: totalMb } = this.options;
    return present && attached - lessCount < slots && attachedMb - lessMb + memoryMb <= totalMb;
  }

  #at(device: number): Gpu {
    return this.all[device] as Gpu;
  }
}
