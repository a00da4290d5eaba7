import type { CreationPolicy } from '../creation/creation-policy.js';
import type { Device } from '../function.js';
import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerSupply } from './container-supply.js';
import type { Counters } from './counters.js';
import type { DeadlineWheel } from './deadline-wheel.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationEntry } from './invocation-entry.js';
import type { EngineOptions } from './options.js';
import { type Prewarmer, unwatched } from './prewarmer.js';
import type { Settlement } from './settlement.js';
import type { Termination } from './termination.js';

/** What comes with time alone: invocations whose time has passed, GPUs that were left alone for long enough, containers whose keep-alive is over, and those that a policy wants made ahead of their use. */
export class DueWork {
  readonly #o: EngineOptions;
  readonly #wheel: DeadlineWheel;
  readonly #settlement: Settlement;
  readonly #pool: ContainerPool;
  readonly #supply: ContainerSupply;
  readonly #prewarmer: Prewarmer;
  readonly #creation: CreationPolicy;
  readonly #termination: Termination;
  readonly #counters: Counters;

  constructor(
    options: EngineOptions,
    wheel: DeadlineWheel,
    settlement: Settlement,
    pool: ContainerPool,
    supply: ContainerSupply,
    prewarmer: Prewarmer,
    creation: CreationPolicy,
    termination: Termination,
    counters: Counters,
  ) {
    this.#o = options;
    this.#wheel = wheel;
    this.#settlement = settlement;
    this.#pool = pool;
    this.#supply = supply;
    this.#prewarmer = prewarmer;
    this.#creation = creation;
    this.#termination = termination;
    this.#counters = counters;
  }

  /** `accepting`: a worker that ends makes nothing ahead of its use. To be followed by a run of the pump. */
  tick(now: number, accepting: boolean): void {
    for (const invocation of this.#wheel.takeDue(now)) this.#overdue(invocation, now);
    this.#pool.gpus.tryHeld(now);
    for (const lane of this.#creation.backOff.due<FunctionLane>(now)) lane.scheduler.line.wake(lane);
    for (const { policy, device } of this.#pool.evictions) {
      for (let old = policy.expired(now); old !== null; old = policy.expired(now)) {
        this.#supply.destroy(old as ContainerEntry, 'expired');
      }
      if (policy.prewarmDue === undefined) continue;
      for (let due = policy.prewarmDue(now); due !== null; due = policy.prewarmDue(now)) {
        if (accepting) this.#foresee(due as FunctionEntry, device);
      }
    }
  }

  next(): number {
    let next = Math.min(this.#wheel.next, this.#creation.backOff.next, this.#pool.gpus.nextTrial());
    for (const { policy } of this.#pool.evictions) next = Math.min(next, policy.nextExpiry());
    return next;
  }

  /** It is made like any other prewarmed container; one that cannot be made is not missed. */
  #foresee(fn: FunctionEntry, device: Device): void {
    if (fn.removed || !fn.devices.includes(device)) return;
    const lane = fn.laneOf(device);
    if (lane.available.head !== null || lane.creating > 0 || lane.closedUntil > 0) return;
    this.#counters.foreseen++;
    this.#prewarmer.request(lane, 1, unwatched);
  }

  #overdue(invocation: InvocationEntry, now: number): void {
    if (invocation.phase === 'settled') return;
    const { container } = invocation;
    if (invocation.phase !== 'running' || container === null) {
      const where = invocation.phase === 'queued' ? 'in the queue' : 'while its container was being created';
      const failed = invocation.attemptsFailed?.causes.length ?? 0;
      const after = failed === 0 ? '' : `, after ${failed} failed attempt${failed > 1 ? 's' : ''} to make a container`;
      this.#termination.withdraw(invocation);
      this.#settlement.fail(invocation, 'timeout', `its time passed ${where}${after}`, null, now);
      return;
    }
    if (invocation.overdue) {
      this.#termination.takeAway(container, invocation, now);
      return;
    }
    // The agent may still answer, with a traceback of where the time went; the container gets nothing new and goes either way.
    invocation.overdue = true;
    this.#pool.withdraw(container);
    container.doomed ??= 'timeout';
    this.#wheel.add(invocation, now + this.#o.cancelGraceUs);
    this.#o.port.cancel(container, invocation, 'timeout');
  }
}
