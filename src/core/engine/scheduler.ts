import type { CreationAttempts } from '../creation/creation-attempts.js';
import type { CreationPolicy } from '../creation/creation-policy.js';
import type { Device } from '../function.js';
import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerPort } from '../ports.js';
import type { QueuePolicy } from '../queue/queue-policy.js';
import type { CpuSlots } from '../resources/cpu-slots.js';
import type { DeviceSet } from '../resources/device-set.js';
import type { ContainerSupply } from './container-supply.js';
import type { Counters } from './counters.js';
import { Creations } from './creations.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationEntry } from './invocation-entry.js';
import type { AdjustableOptions } from './options.js';
import type { Pump } from './pump.js';
import { Throughput } from './throughput.js';
import { type QueueTotals, WaitingLine } from './waiting-line.js';

/** What the schedulers of all devices share, and what is this one's own. */
export interface SchedulerParts {
  readonly device: Device;
  readonly devices: DeviceSet;
  readonly queue: QueuePolicy;
  readonly pool: ContainerPool;
  readonly slots: CpuSlots;
  readonly port: ContainerPort;
  readonly supply: ContainerSupply;
  readonly creation: CreationPolicy;
  readonly counters: Counters;
  readonly totals: QueueTotals;
  readonly options: Pick<AdjustableOptions, 'queueLimit' | 'bypassUs'>;
  readonly pump: Pump;
  readonly now: () => number;
  /** No container can be had for it, now or soon: it is taken out and answered `overloaded`. */
  readonly refuse: (invocation: InvocationEntry) => void;
}

/** `memory is coming`: what stands in the way is being destroyed. */
type Placement = 'placed' | 'refused' | 'no slots' | 'no memory' | 'memory is coming' | 'no place';

/**
 * Gives the invocations queued for one kind of device their CPU slots, a token of a device and a container. The queue policy's choice goes first and what it lacks is
 * waited for: nothing overtakes a head that lacks slots or memory, so a large one cannot starve. One thing is not waited for at the head: a place in a function
 * that has all the containers it may have (`WaitingLine.park`).
 *
 * While a container is created for an invocation it is `starting` and holds its slots and token, but it is not bound to that container: whichever container of its
 * function can take an invocation first takes the oldest. No more are created than there are invocations that need one.
 */
export class Scheduler {
  readonly device: Device;
  readonly devices: DeviceSet;
  readonly line: WaitingLine;
  readonly throughput = new Throughput();
  running = 0;
  /** Functions with something accepted for this device and not answered. */
  activeFunctions = 0;
  readonly #p: SchedulerParts;
  readonly #queue: QueuePolicy;
  readonly #slots: CpuSlots;
  readonly #creations: Creations;

  constructor(parts: SchedulerParts) {
    this.#p = parts;
    this.device = parts.device;
    this.devices = parts.devices;
    this.#queue = parts.queue;
    this.#slots = parts.slots;
    this.line = new WaitingLine(parts.queue, parts.totals, parts.now);
    this.#creations = new Creations(parts.pool, parts.supply, parts.devices, parts.creation, parts.now);
    parts.pump.add(() => this.#round());
  }

  /** Invocations that hold slots while a container is created for them. */
  get starting(): number {
    return this.#creations.starting;
  }

  /** Runs it, starts a container for it, or queues it. False: there is no room in the queue, and it is in none. */
  submit(invocation: InvocationEntry, now: number): boolean {
    const { lane } = invocation;
    const { fn } = lane;
    if (this.#runsAtOnce(invocation, lane, now)) return true;
    const { totals, options, pump } = this.#p;
    const { queueLimit } = options;
    // A limit of 0 means that nothing may wait, not that nothing may start: only a place tried for in vain is a refusal. Submitted from inside a
    // command, it cannot be tried at once, and the bound counts it as waiting.
    if (!invocation.isStandIn) {
      if ((totals.queued >= queueLimit && totals.queued > 0) || (fn.queued >= fn.queueLimit && fn.queued > 0))
        return false;
    }
    this.#enqueue(invocation, false);
    pump.run();
    if (invocation.place === 'nowhere' || invocation.phase !== 'queued' || invocation.isStandIn) return true;
    if (totals.queued <= queueLimit && fn.queued <= fn.queueLimit) return true;
    this.leaveQueue(invocation);
    pump.run();
    return false;
  }

  /** One that was placed before and has to be placed anew. */
  resubmit(invocation: InvocationEntry): void {
    invocation.phase = 'queued';
    invocation.dispatchedAt = 0;
    invocation.runningAt = 0;
    invocation.container = null;
    invocation.containerState = null;
    this.#enqueue(invocation, true);
  }

  /** Takes it out of the queue. */
  leaveQueue(invocation: InvocationEntry): void {
    this.line.remove(invocation, invocation.lane);
  }

  /** Takes it from the ones whose container is being created, with all it holds; the container becomes another one's, or nobody's. */
  leaveStarting(invocation: InvocationEntry): void {
    const { lane } = invocation;
    this.#creations.abandon(invocation, lane);
    this.#release(invocation);
    this.#creations.claim(lane);
    this.line.wake(lane);
  }

  /** It has ended on its container, or goes back to the queue. */
  endRun(invocation: InvocationEntry, container: ContainerEntry): void {
    container.runs.remove(invocation);
    invocation.place = 'nowhere';
    invocation.fn.running--;
    this.running--;
    this.#release(invocation);
  }

  /** A container of this function may be able to take something: those whose container is being created come first. */
  offer(lane: FunctionLane, now: number): void {
    for (let match = this.#match(lane); match !== null; match = this.#match(lane)) {
      this.#creations.abandon(match.invocation, lane);
      this.#run(match.invocation, match.container, now);
    }
    this.#creations.claim(lane);
    this.line.wake(lane);
  }

  /**
   * One container that was being created is lost. Those that counted on it get another, or go back to the queue when there is no memory.
   * To be followed by a run of the pump.
   */
  recover(lane: FunctionLane): void {
    // An answer raised from inside a command must not place others between the memory being made free and being taken.
    this.#p.pump.hold(() => {
      for (const invocation of this.#creations.replaceLost(lane)) {
        this.#release(invocation);
        this.resubmit(invocation);
      }
      this.line.wake(lane);
    });
  }

  /** Its container was lost while being created; it stays `starting`, and `recover` or `offer` finds it another. */
  rejoin(invocation: InvocationEntry): void {
    this.#creations.rejoin(invocation, invocation.lane);
  }

  /** A container for nobody in particular, though one that waits without a creation of its own may claim it. The caller has made room. */
  createUnclaimed(lane: FunctionLane, device: number, attempts: CreationAttempts | null): ContainerEntry | null {
    return this.#creations.createUnclaimed(lane, device, attempts);
  }

  #round(): boolean {
    while (this.line.queued > 0) {
      const devices = this.devices.candidates();
      // With several devices, nothing is evicted on one while there is room on another.
      let placement = devices.length > 1 ? this.#tryEach(devices, false) : 'no memory';
      if (placement === 'no memory') placement = this.#tryEach(devices, true);
      if (placement !== 'placed') return placement === 'no memory';
    }
    return false;
  }

  /** On the first device that can take what the policy chooses for it. After each placement the devices are to be asked for anew: the best one has changed. */
  #tryEach(devices: readonly number[], evict: boolean): Placement {
    let result: Placement = 'no slots';
    for (const device of devices) {
      const invocation = this.#queue.choose(device, this.#p.now()) as InvocationEntry | null;
      if (invocation === null) continue;
      const placement = this.#place(invocation, device, evict);
      if (placement === 'no slots') return placement;
      if (placement === 'placed') return placement;
      if (placement === 'refused') {
        this.#p.refuse(invocation.isStandIn ? (invocation.twin as InvocationEntry) : invocation);
        return 'placed';
      }
      if (placement === 'no place') {
        this.line.park(invocation, invocation.lane);
        return 'placed';
      }
      result = placement;
      if (placement === 'memory is coming') return 'no memory';
    }
    return result;
  }

  #place(invocation: InvocationEntry, device: number, evict: boolean): Placement {
    const { lane } = invocation;
    const { fn } = lane;
    const elder = lane.woken ?? lane.waiting.head;
    if (!lane.hasPlace || (elder !== null && elder.id < invocation.id)) return 'no place';
    if (!this.#slots.tryTake(fn.milliSlots)) return 'no slots';
    const now = this.#p.now();
    const container = this.#onDevice(lane, device);
    if (container !== null) {
      this.#run(this.#dispatched(invocation, container.gpu, now), container, now);
      return 'placed';
    }
    if (this.#creations.canJoin(lane, device)) {
      this.#creations.join(this.#start(this.#dispatched(invocation, device, now), now), lane);
      return 'placed';
    }
    const room = lane.mayCreate ? this.#p.supply.makeRoom(lane, device, null, evict) : 'none';
    if (room === 'now') {
      this.#creations.create(this.#start(this.#dispatched(invocation, device, now), now), lane);
      return 'placed';
    }
    this.#slots.release(fn.milliSlots);
    if (room === 'no address') {
      // Its own containers will take it; one that is yet to get its first has nothing to wait for.
      if (fn.containers === 0) return 'refused';
      this.#p.supply.waitForAddress(lane);
      // A place there is may be on a GPU without a token: that is waited for at the head.
      return lane.hasPlace ? 'no memory' : 'no place';
    }
    return room === 'soon' ? 'memory is coming' : 'no memory';
  }

  /** A free container there, else one on another device that has a token: warm elsewhere beats cold here. As many steps as containers are attached to GPUs. */
  #onDevice(lane: FunctionLane, device: number): ContainerEntry | null {
    let elsewhere: ContainerEntry | null = null;
    for (let container = lane.available.head; container !== null; container = container.next) {
      if (container.gpu === device) return container;
      if (elsewhere === null && this.devices.hasToken(container.gpu)) elsewhere = container;
    }
    return elsewhere;
  }

  #match(lane: FunctionLane): { invocation: InvocationEntry; container: ContainerEntry } | null {
    const oldest = lane.oldestStarting;
    if (oldest === null) return null;
    for (let container = lane.available.head; container !== null; container = container.next) {
      const invocation = lane.oldestStartingOn(container.gpu);
      if (invocation !== null) return { invocation, container };
      if (!this.devices.hasToken(container.gpu)) continue;
      this.devices.releaseToken(oldest.token);
      this.devices.takeToken(container.gpu);
      oldest.token = container.gpu;
      return { invocation: oldest, container };
    }
    return null;
  }

  #runsAtOnce(invocation: InvocationEntry, lane: FunctionLane, now: number): boolean {
    if (this.device !== 'cpu' || lane.oldestStarting !== null) return false;
    const container = lane.available.head;
    if (container === null) return false;
    const { fn } = lane;
    let heldSlots = 0;
    if (this.line.queued === 0 && this.#queue.bypassWhenEmpty && this.#slots.tryTake(fn.milliSlots)) {
      heldSlots = fn.milliSlots;
    } else {
      // Behind others of its function it takes its turn, so that the order within the function stays.
      const { counters } = this.#p;
      const { bypassUs } = this.#p.options;
      const averageUs = fn.stats.cpu.exec.average;
      if (averageUs === 0 || averageUs >= bypassUs || lane.queued > 0) return false;
      counters.bypassed++;
    }
    // A stand-in never runs: the one that it stands for leaves the other queue, or it would run twice.
    const runs = invocation.twin === null ? invocation : this.#takeFromOther(invocation, invocation.twin);
    runs.heldSlots = heldSlots;
    runs.attempts = 1;
    this.#run(runs, container, now);
    return true;
  }

  /** It leaves the queue with slots (taken already) and a token. Queued for two devices, it leaves the other one's queue too: the result is the invocation itself. */
  #dispatched(chosen: InvocationEntry, device: number, now: number): InvocationEntry {
    this.leaveQueue(chosen);
    const invocation = chosen.twin === null ? chosen : this.#takeFromOther(chosen, chosen.twin);
    this.devices.takeToken(device);
    invocation.token = device;
    invocation.heldSlots = invocation.fn.milliSlots;
    invocation.dispatchedAt = now;
    invocation.attempts++;
    return invocation;
  }

  #takeFromOther(chosen: InvocationEntry, other: InvocationEntry): InvocationEntry {
    const node = chosen.queueNode;
    other.lane.scheduler.leaveQueue(other);
    chosen.twin = null;
    other.twin = null;
    if (!chosen.isStandIn) {
      leaves(other.lane);
      return chosen;
    }
    leaves(other.lane);
    other.moveTo(chosen.lane);
    other.expectedUs = chosen.expectedUs;
    other.estimatedUs = chosen.estimatedUs;
    other.queueNode = node;
    return other;
  }

  #enqueue(invocation: InvocationEntry, again: boolean): void {
    const { lane } = invocation;
    this.line.add(invocation, lane, again ? 0 : lane.expectedUs, again);
  }

  #start(invocation: InvocationEntry, now: number): InvocationEntry {
    invocation.phase = 'starting';
    this.#queue.started(invocation, now);
    return invocation;
  }

  #release(invocation: InvocationEntry): void {
    this.#slots.release(invocation.heldSlots);
    invocation.heldSlots = 0;
    this.devices.releaseToken(invocation.token);
    invocation.token = -1;
    this.#queue.ended(invocation, this.#p.now());
  }

  /** It holds its slots and token and is on no list. */
  #run(invocation: InvocationEntry, container: ContainerEntry, now: number): void {
    const { fn } = invocation;
    this.#p.pool.take(container);
    // One that waited for a creation and got a container that was ready before waited in the queue, so to speak, until now.
    if (invocation.phase === 'queued') {
      invocation.dispatchedAt = now;
      this.#queue.started(invocation, now);
    } else if (container.state !== 'cold') invocation.dispatchedAt = now;
    // There is a container in the end: should it be lost, making another begins anew.
    invocation.attemptsFailed = null;
    invocation.runningAt = now;
    invocation.phase = 'running';
    invocation.place = 'running';
    invocation.container = container;
    invocation.containerState = container.state;
    container.runs.push(invocation);
    fn.running++;
    this.running++;
    this.#p.port.run(container, invocation);
  }
}

/** An invocation of this function is accepted for this device. */
export function arrives(lane: FunctionLane): void {
  if (lane.open++ === 0) lane.scheduler.activeFunctions++;
}

/** It is answered, or runs on another device. */
export function leaves(lane: FunctionLane): void {
  if (--lane.open === 0) lane.scheduler.activeFunctions--;
}
