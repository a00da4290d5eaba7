import type { FunctionEntry } from '../engine/function-entry.js';
import type { MemoryBudget } from '../resources/memory-budget.js';
import { ContainerEntry } from './container-entry.js';
import type { EvictionPolicy } from './eviction/eviction-policy.js';

/**
 * Every container from its reservation until it is gone, and the accounts of their memory: `running` (creating, running, being destroyed) and
 * `cached` (idle), which together are what the budget has reserved, at every step. Per function it is a stack: the container used last is used
 * next, so that the others grow old and can go. Every operation is O(1).
 */
export class ContainerPool {
  readonly budget: MemoryBudget;
  readonly eviction: EvictionPolicy;
  readonly all = new Set<ContainerEntry>();
  runningMb = 0;
  cachedMb = 0;
  runningCount = 0;
  cachedCount = 0;
  /** Part of `runningMb`: will be free soon. */
  leavingMb = 0;
  #lastId = 0;

  constructor(budget: MemoryBudget, eviction: EvictionPolicy) {
    this.budget = budget;
    this.eviction = eviction;
  }

  /** A container with its memory reserved, in phase `creating`; null when there is no memory for it. */
  reserve(fn: FunctionEntry, now: number): ContainerEntry | null {
    if (!this.budget.tryReserve(fn.spec.memoryMb)) return null;
    const container = new ContainerEntry(++this.#lastId, fn, now);
    this.all.add(container);
    this.runningMb += container.memoryMb;
    this.runningCount++;
    fn.containers++;
    fn.creating++;
    return container;
  }

  /** It was `creating` and is ready: idle, and the first to be used. */
  ready(container: ContainerEntry, now: number): void {
    container.fn.creating--;
    if (container.list !== null) container.list.remove(container);
    this.#toIdle(container, now);
    container.fn.available.push(container);
  }

  /** One more invocation runs on it. */
  take(container: ContainerEntry): void {
    const { available, concurrency } = container.fn;
    if (container.phase === 'idle') {
      this.eviction.leave(container, true);
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
    const { available } = container.fn;
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
      this.eviction.leave(container, false);
      this.cachedMb -= container.memoryMb;
      this.cachedCount--;
      this.runningMb += container.memoryMb;
      this.runningCount++;
    } else if (container.phase === 'creating') container.fn.creating--;
    else this.eviction.leave(container, false);
    container.phase = 'destroying';
    this.leavingMb += container.memoryMb;
  }

  /** Its memory is free. From `destroying`, or from `creating` when it could not be made. */
  gone(container: ContainerEntry): void {
    if (!this.all.delete(container)) return;
    this.withdraw(container);
    if (container.phase === 'creating') container.fn.creating--;
    else this.leavingMb -= container.memoryMb;
    container.phase = 'destroying';
    this.runningMb -= container.memoryMb;
    this.runningCount--;
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
    this.eviction.idle(container);
  }
}
