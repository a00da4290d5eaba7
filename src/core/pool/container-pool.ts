import type { FunctionLane } from '../engine/function-lane.js';
import type { GpuDevices } from '../resources/gpu-devices.js';
import type { MemoryBudget } from '../resources/memory-budget.js';
import type { Container } from './container.js';
import { ContainerEntry } from './container-entry.js';
import type { EvictionPolicy } from './eviction/eviction-policy.js';

/**
 * Every container from its reservation until it is gone, and the accounts of their memory: `running` (creating, running, being destroyed) and
 * `cached` (idle), which together are what the budget has reserved, at every step. Per function it is a stack: the container used last is used
 * next, so that the others grow old and can go. Every operation is O(1).
 */
export class ContainerPool {
  readonly budget: MemoryBudget;
  readonly gpus: GpuDevices;
  /** Of the CPU, then of each GPU. */
  readonly evictions: readonly EvictionPolicy[];
  readonly all = new Set<ContainerEntry>();
  runningMb = 0;
  cachedMb = 0;
  runningCount = 0;
  cachedCount = 0;
  /** Part of `runningMb`: will be free soon. */
  leavingMb = 0;
  #lastId = 0;

  /** `eviction` makes a policy for the CPU (-1) and for each GPU (its index). */
  constructor(budget: MemoryBudget, gpus: GpuDevices, eviction: (device: number) => EvictionPolicy) {
    this.budget = budget;
    this.gpus = gpus;
    this.evictions = [eviction(-1), ...gpus.all.map(({ index }) => eviction(index))];
  }

  /** The next to go when host memory is needed: containers on GPUs, which cost most to make, come last. */
  victim(): ContainerEntry | null {
    for (const eviction of this.evictions) {
      const victim = idleOrNull(eviction.victim());
      if (victim !== null) return victim;
    }
    return null;
  }

  /** The next to go when room on this GPU is needed. */
  victimOn(gpu: number): ContainerEntry | null {
    return idleOrNull((this.evictions[gpu + 1] as EvictionPolicy).victim());
  }

  /** A container with its memory reserved, in phase `creating`; null when there is no memory for it. */
  reserve(lane: FunctionLane, gpu: number, backend: string, now: number): ContainerEntry | null {
    const { fn } = lane;
    if (gpu >= 0 && !this.gpus.hasRoom(gpu, lane.deviceMb)) return null;
    if (!this.budget.tryReserve(fn.spec.memoryMb)) return null;
    if (gpu >= 0) this.gpus.attach(gpu, lane.deviceMb);
    const eviction = this.evictions[gpu + 1] as EvictionPolicy;
    const container = new ContainerEntry(++this.#lastId, lane, gpu, backend, eviction, now);
    this.all.add(container);
    this.runningMb += container.memoryMb;
    this.runningCount++;
    fn.containers++;
    lane.containers++;
    lane.creating++;
    return container;
  }

  /** It was `creating` and is ready: idle, and the first to be used. */
  ready(container: ContainerEntry, now: number): void {
    const { lane } = container;
    lane.creating--;
    if (container.list !== null) container.list.remove(container);
    this.#toIdle(container, now);
    lane.available.push(container);
  }

  /** One more invocation runs on it. */
  take(container: ContainerEntry): void {
    const { available, concurrency } = container.lane;
    if (container.phase === 'idle') {
      container.eviction.leave(container, true);
      this.#idleOnGpu(container, -1);
      container.phase = 'running';
      this.cachedMb -= container.memoryMb;
      this.cachedCount--;
      this.runningMb += container.memoryMb;
      this.runningCount++;
    }
    container.active++;
    if (container.active === concurrency) available.remove(container);
    else if (available.head !== container) {
      available.remove(container);
      available.push(container);
    }
  }

  /** One invocation less runs on it. When nothing runs any more it is idle, unless it is to be destroyed: then the caller does that next. */
  giveBack(container: ContainerEntry, now: number): void {
    const { available } = container.lane;
    container.active--;
    container.invocations++;
    if (container.doomed !== null) return;
    if (container.active === 0) this.#toIdle(container, now);
    if (container.list === null) available.push(container);
    else if (available.head !== container) {
      available.remove(container);
      available.push(container);
    }
  }

  /** Nothing more is given to it, whatever it is doing. */
  withdraw(container: ContainerEntry): void {
    if (container.list !== null) container.list.remove(container);
  }

  /** Its destruction begins: cached memory becomes running memory again until it is gone. */
  leaving(container: ContainerEntry): void {
    this.withdraw(container);
    if (container.phase === 'idle') {
      container.eviction.leave(container, false);
      this.#idleOnGpu(container, -1);
      this.cachedMb -= container.memoryMb;
      this.cachedCount--;
      this.runningMb += container.memoryMb;
      this.runningCount++;
    } else if (container.phase === 'creating') container.lane.creating--;
    else container.eviction.leave(container, false);
    container.phase = 'destroying';
    this.leavingMb += container.memoryMb;
    if (container.gpu >= 0) this.gpus.leaving(container.gpu, container.lane.deviceMb, 1);
  }

  /** Its memory is free. From `destroying`, or from `creating` when it could not be made. */
  gone(container: ContainerEntry): void {
    if (!this.all.delete(container)) return;
    this.withdraw(container);
    const { lane, gpu } = container;
    if (container.phase === 'creating') lane.creating--;
    else {
      this.leavingMb -= container.memoryMb;
      if (gpu >= 0) this.gpus.leaving(gpu, lane.deviceMb, -1);
    }
    if (gpu >= 0) this.gpus.detach(gpu, lane.deviceMb);
    container.phase = 'destroying';
    this.runningMb -= container.memoryMb;
    this.runningCount--;
    lane.containers--;
    container.fn.containers--;
    this.budget.release(container.memoryMb);
  }

  #toIdle(container: ContainerEntry, now: number): void {
    container.phase = 'idle';
    container.idleSince = now;
    this.runningMb -= container.memoryMb;
    this.runningCount--;
    this.cachedMb += container.memoryMb;
    this.cachedCount++;
    container.eviction.idle(container);
    this.#idleOnGpu(container, 1);
  }

  #idleOnGpu(container: ContainerEntry, by: 1 | -1): void {
    if (container.gpu >= 0) this.gpus.idle(container.gpu, container.lane.deviceMb, by);
  }
}

/** A policy that names what is not idle is wrong; whoever evicted that again and again until there is room would never end. */
function idleOrNull(victim: Container | null): ContainerEntry | null {
  return victim === null || victim.phase !== 'idle' ? null : (victim as ContainerEntry);
}
