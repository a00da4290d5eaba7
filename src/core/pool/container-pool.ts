import type { FunctionLane } from '../engine/function-lane.js';
import type { Device } from '../function.js';
import type { Addresses } from '../resources/addresses.js';
import type { GpuDevices } from '../resources/gpu-devices.js';
import type { MemoryBudget } from '../resources/memory-budget.js';
import type { Container } from './container.js';
import { ContainerEntry } from './container-entry.js';
import type { EvictionPolicy } from './eviction/eviction-policy.js';

/** One policy twice, so that there is a first to go among the containers that hold an address. The same one until a function needs one. */
interface EvictionPair {
  readonly plain: EvictionPolicy;
  addressed: EvictionPolicy;
}

/**
 * Every container from its reservation until it is gone, and the accounts of their memory: `running` (creating, running, being destroyed) and
 * `cached` (idle), which together are what the budget has reserved, at every step. Per function it is a stack: the container used last is used
 * next, so that the others grow old and can go. Every operation is O(1).
 */
export class ContainerPool {
  readonly budget: MemoryBudget;
  readonly gpus: GpuDevices;
  readonly addresses: Addresses;
  /** Of the CPU, then of each GPU: for containers without an address, and for those with one, which have an order of their own. */
  readonly #pairs: readonly EvictionPair[];
  /** Each of them once. */
  readonly evictions: { readonly policy: EvictionPolicy; readonly device: Device }[];
  readonly all = new Set<ContainerEntry>();
  runningMb = 0;
  cachedMb = 0;
  runningCount = 0;
  cachedCount = 0;
  /** Will be free soon: of those being destroyed, what they have reserved and what they use above that. */
  leavingMb = 0;
  readonly #eviction: (device: number) => EvictionPolicy;
  #separate = false;
  #lastId = 0;

  /** `eviction` makes a policy for the CPU (-1) and for each GPU (its index). */
  constructor(
    budget: MemoryBudget,
    gpus: GpuDevices,
    addresses: Addresses,
    eviction: (device: number) => EvictionPolicy,
  ) {
    this.budget = budget;
    this.gpus = gpus;
    this.addresses = addresses;
    this.#eviction = eviction;
    const devices = [-1, ...gpus.all.map(({ index }) => index)];
    this.#pairs = devices.map((device) => {
      const policy = eviction(device);
      return { plain: policy, addressed: policy };
    });
    this.evictions = this.#pairs.map(({ plain }, index) => ({ policy: plain, device: deviceOf(index) }));
  }

  /**
   * A function needs addresses, and there may be too few: from now on the containers that hold one have an order of their own. To be called before the first of
   * them is reserved. Returns the policies that this adds.
   */
  separateAddressed(): EvictionPolicy[] {
    if (this.#separate || this.addresses.total === Number.POSITIVE_INFINITY) return [];
    this.#separate = true;
    return this.#pairs.map((pair, index) => {
      pair.addressed = this.#eviction(index - 1);
      this.evictions.push({ policy: pair.addressed, device: deviceOf(index) });
      return pair.addressed;
    });
  }

  /** The next to go when host memory is needed: containers on GPUs, which cost most to make, come last. */
  victim(): ContainerEntry | null {
    for (let gpu = -1; gpu < this.#pairs.length - 1; gpu++) {
      const victim = this.victimOn(gpu);
      if (victim !== null) return victim;
    }
    return null;
  }

  /** The next to go when an address is needed. */
  victimWithAddress(): ContainerEntry | null {
    for (const { plain, addressed } of this.#pairs) {
      const victim = plain === addressed ? null : idleOrNull(addressed.victim());
      if (victim !== null) return victim;
    }
    return null;
  }

  /** The next to go when room on this GPU is needed; -1 = on the CPU. Of the two that a policy names, with and without an address, it is the longer idle. */
  victimOn(gpu: number): ContainerEntry | null {
    const { plain, addressed } = this.#pairs[gpu + 1] as EvictionPair;
    const one = idleOrNull(plain.victim());
    if (plain === addressed) return one;
    const other = idleOrNull(addressed.victim());
    if (one === null || other === null) return one ?? other;
    return one.idleSince <= other.idleSince ? one : other;
  }

  /** A container with its memory reserved, in phase `creating`; null when there is no memory for it. */
  reserve(lane: FunctionLane, gpu: number, backend: string, now: number): ContainerEntry | null {
    const { fn } = lane;
    if (gpu >= 0 && !this.gpus.hasRoom(gpu, lane.deviceMb)) return null;
    if (fn.needsAddress && this.addresses.free < 1) return null;
    if (!this.budget.tryReserve(lane.hostMb)) return null;
    if (fn.needsAddress) this.addresses.held++;
    if (gpu >= 0) this.gpus.attach(gpu, lane.deviceMb);
    const { plain, addressed } = this.#pairs[gpu + 1] as EvictionPair;
    const eviction = fn.needsAddress ? addressed : plain;
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
      this.#idleResources(container, -1);
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

  /** It is measured to use so much above its reservation. To be followed by its destruction, now or when what it runs has ended. */
  overshoots(container: ContainerEntry, mb: number): void {
    this.budget.overshoot(mb - container.overshootMb);
    container.overshootMb = mb;
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
      this.#idleResources(container, -1);
      this.cachedMb -= container.memoryMb;
      this.cachedCount--;
      this.runningMb += container.memoryMb;
      this.runningCount++;
    } else if (container.phase === 'creating') container.lane.creating--;
    else container.eviction.leave(container, false);
    container.phase = 'destroying';
    this.leavingMb += container.memoryMb + container.overshootMb;
    if (container.fn.needsAddress) this.addresses.leaving++;
    if (container.gpu >= 0) this.gpus.leaving(container.gpu, container.lane.deviceMb, 1);
  }

  /** Its memory is free. From `destroying`, or from `creating` when it could not be made. */
  gone(container: ContainerEntry): void {
    if (!this.all.delete(container)) return;
    this.withdraw(container);
    const { lane, gpu } = container;
    if (container.phase === 'creating') lane.creating--;
    else {
      this.leavingMb -= container.memoryMb + container.overshootMb;
      if (container.fn.needsAddress) this.addresses.leaving--;
      if (gpu >= 0) this.gpus.leaving(gpu, lane.deviceMb, -1);
    }
    if (gpu >= 0) this.gpus.detach(gpu, lane.deviceMb);
    container.phase = 'destroying';
    this.runningMb -= container.memoryMb;
    this.runningCount--;
    lane.containers--;
    container.fn.containers--;
    if (container.fn.needsAddress) this.addresses.held--;
    this.budget.release(container.memoryMb);
    if (container.overshootMb > 0) this.overshoots(container, 0);
  }

  #toIdle(container: ContainerEntry, now: number): void {
    container.phase = 'idle';
    container.idleSince = now;
    this.runningMb -= container.memoryMb;
    this.runningCount--;
    this.cachedMb += container.memoryMb;
    this.cachedCount++;
    container.eviction.idle(container);
    this.#idleResources(container, 1);
  }

  #idleResources(container: ContainerEntry, by: 1 | -1): void {
    if (container.fn.needsAddress) this.addresses.idle += by;
    if (container.gpu >= 0) this.gpus.idle(container.gpu, container.lane.deviceMb, by);
  }
}

function deviceOf(index: number): Device {
  return index === 0 ? 'cpu' : 'gpu';
}

/** A policy that names what is not idle is wrong; whoever evicted that again and again until there is room would never end. */
function idleOrNull(victim: Container | null): ContainerEntry | null {
  return victim === null || victim.phase !== 'idle' ? null : (victim as ContainerEntry);
}
