import type { ContainerPool } from '../pool/container-pool.js';
import type { CpuSlots } from '../resources/cpu-slots.js';
import type { Counters } from './counters.js';
import type { FunctionEntry } from './function-entry.js';
import type { EngineOptions } from './options.js';
import type { Scheduler } from './scheduler.js';
import type { Settlement } from './settlement.js';

/** The engine's state in numbers. Memory in MiB. */
export interface EngineStatus {
  readonly state: 'running' | 'draining' | 'stopping';
  readonly memory: {
    /** Of containers being created, running or being destroyed. */
    readonly runningMb: number;
    /** Of idle containers. */
    readonly cachedMb: number;
    readonly totalMb: number;
    readonly budgetMb: number;
    readonly runningContainers: number;
    readonly cachedContainers: number;
  };
  readonly cpu: { readonly slots: number; readonly used: number };
  readonly queue: { readonly length: number; readonly limit: number };
  /** Invocations that wait for a container being created. */
  readonly starting: number;
  /** Invocations inside containers. */
  readonly running: number;
  readonly functions: number;
  readonly counters: Readonly<Record<string, number>>;
}

export function statusOf(
  state: EngineStatus['state'],
  options: EngineOptions,
  scheduler: Scheduler,
  pool: ContainerPool,
  slots: CpuSlots,
  functions: number,
  counters: Counters,
): EngineStatus {
  return {
    state,
    memory: {
      runningMb: pool.runningMb,
      cachedMb: pool.cachedMb,
      totalMb: pool.budget.reservedMb,
      budgetMb: pool.budget.totalMb,
      runningContainers: pool.runningCount,
      cachedContainers: pool.cachedCount,
    },
    cpu: { slots: slots.total, used: slots.used },
    queue: { length: scheduler.queued, limit: options.queueLimit },
    starting: scheduler.starting,
    running: scheduler.running,
    functions,
    counters: { ...counters },
  };
}

export function estimateSeconds(
  functions: readonly (FunctionEntry | null)[],
  slots: CpuSlots,
  queued: number,
  queuedUs: number,
): number[] {
  // With a queue nothing new starts at once, however many slots are free: they are being kept for its head.
  let open = queued > 0 ? 0 : slots.free;
  let aheadUs = queuedUs;
  return functions.map((fn) => {
    if (fn === null) return 0;
    const device = fn.devices[0] ?? 'cpu';
    const ownUs = fn.stats.of(device).expectedUs(fn.available.head?.state ?? 'cold');
    if (ownUs === 0) return 0;
    const { cpus } = fn.spec;
    if (open >= cpus) {
      open -= cpus;
      return ownUs / 1e6;
    }
    const waitUs = aheadUs / slots.total;
    aheadUs += ownUs * cpus;
    return (waitUs + ownUs) / 1e6;
  });
}

export function violations(
  functions: readonly FunctionEntry[],
  options: EngineOptions,
  scheduler: Scheduler,
  pool: ContainerPool,
  slots: CpuSlots,
  settlement: Settlement,
): string[] {
  const found: string[] = [];
  const equal = (what: string, kept: number, counted: number): void => {
    if (Math.abs(kept - counted) > 1e-6) found.push(`${what}: kept ${kept}, counted ${counted}`);
  };
  const atMost = (what: string, value: number, limit: number): void => {
    if (value > limit + 1e-6) found.push(`${what}: ${value} is above ${limit}`);
  };
  containersAddUp(pool, equal);
  atMost('memory', pool.budget.reservedMb, options.memoryMb);
  atMost('CPU slots', slots.used, options.cpuSlots);
  const sum = { queued: 0, starting: 0, running: 0, slots: 0, containers: 0 };
  for (const fn of functions) {
    const starting = fn.starting.length + fn.joined.length;
    equal(`${fn.key} queued`, fn.queued, fn.choosable.length + fn.waiting.length);
    atMost(`${fn.key} containers`, fn.containers, fn.maxContainers);
    if (fn.sparePlaces < 0) found.push(`${fn.key}: ${-fn.sparePlaces} invocations start without a container`);
    if (fn.joined.head !== null && fn.unclaimed.head !== null) found.push(`${fn.key}: a creation is left unclaimed`);
    if (fn.available.head !== null && starting > 0) found.push(`${fn.key}: one waits while a container is free`);
    if (fn.waiting.head !== null && fn.woken === null && fn.hasPlace)
      found.push(`${fn.key}: a place, and nobody woken`);
    sum.queued += fn.queued;
    sum.starting += starting;
    sum.running += fn.running;
    sum.slots += ((starting + fn.running) * fn.milliSlots) / 1000;
    sum.containers += fn.containers;
  }
  equal('queued', scheduler.queued, sum.queued);
  equal('starting', scheduler.starting, sum.starting);
  equal('running', scheduler.running, sum.running);
  equal('CPU slots', slots.used, sum.slots);
  equal('containers', pool.all.size, sum.containers);
  equal('open', settlement.open, sum.queued + sum.starting + sum.running);
  if (scheduler.queuedUs < -1) found.push(`queued work is negative: ${scheduler.queuedUs}`);
  return found;
}

function containersAddUp(pool: ContainerPool, equal: (what: string, kept: number, counted: number) => void): void {
  const sum = { running: 0, cached: 0, leaving: 0, runningCount: 0, cachedCount: 0, active: 0, runs: 0 };
  for (const container of pool.all) {
    const { phase, memoryMb } = container;
    if (phase === 'idle') {
      sum.cached += memoryMb;
      sum.cachedCount++;
    } else {
      sum.running += memoryMb;
      sum.runningCount++;
    }
    if (phase === 'destroying') sum.leaving += memoryMb;
    sum.active += container.active;
    sum.runs += container.runs.length;
    equal(`container ${container.id} busy`, container.active > 0 ? 1 : 0, phase === 'running' ? 1 : 0);
  }
  equal('running memory', pool.runningMb, sum.running);
  equal('cached memory', pool.cachedMb, sum.cached);
  equal('leaving memory', pool.leavingMb, sum.leaving);
  equal('running containers', pool.runningCount, sum.runningCount);
  equal('cached containers', pool.cachedCount, sum.cachedCount);
  equal('runs', sum.active, sum.runs);
  equal('running + cached = total', pool.runningMb + pool.cachedMb, pool.budget.reservedMb);
}
