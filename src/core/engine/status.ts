import type { CreationPolicy } from '../creation/creation-policy.js';
import type { Device } from '../function.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { CpuSlots } from '../resources/cpu-slots.js';
import type { Gpu } from '../resources/gpu-devices.js';
import type { Counters } from './counters.js';
import type { EngineLoads } from './device-loads.js';
import type { FunctionEntry } from './function-entry.js';
import type { EngineOptions } from './options.js';
import type { Scheduler } from './scheduler.js';

/** The queue for one kind of device. */
export interface QueueStatus {
  readonly length: number;
  /** Expected work of all of it; µs of one CPU slot or GPU token. */
  readonly expectedUs: number;
  /** Seconds of execution completed a second, over the latest completions. */
  readonly throughput: number;
  /** Functions with something queued or running. */
  readonly activeFunctions: number;
  /** What its policy says of itself; null = nothing. */
  readonly policy: unknown;
}

/** One GPU; memory in MiB. */
export interface GpuStatus {
  readonly index: number;
  readonly present: boolean;
  readonly containers: number;
  readonly running: number;
  readonly reservedMb: number;
  /** Percent, as last read and corrected since. */
  readonly utilization: number;
  /** Nothing starts on it because of that. */
  readonly held: boolean;
}

/** One backend. */
export interface BackendStatus {
  readonly name: string;
  readonly containers: number;
  /** Creations begun, and those of them that failed. */
  readonly created: number;
  readonly failed: number;
  /** It failed so often that others are preferred where a function accepts any. */
  readonly avoided: boolean;
}

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
    /** Used above their reservations by containers that will be replaced. */
    readonly overshootMb: number;
    readonly runningContainers: number;
    readonly cachedContainers: number;
  };
  readonly cpu: { readonly slots: number; readonly used: number };
  readonly queue: { readonly length: number; readonly limit: number };
  readonly queues: Readonly<Record<Device, QueueStatus>>;
  readonly gpus: readonly GpuStatus[];
  readonly backends: readonly BackendStatus[];
  /** Invocations that wait for a container being created. */
  readonly starting: number;
  /** Invocations inside containers. */
  readonly running: number;
  readonly functions: number;
  readonly counters: Readonly<Record<string, number>>;
}

/** What the status is read from. */
export interface EngineParts {
  readonly options: EngineOptions;
  readonly schedulers: Readonly<Record<Device, Scheduler>>;
  readonly pool: ContainerPool;
  readonly slots: CpuSlots;
  readonly creation: CreationPolicy;
  readonly counters: Counters;
  readonly totals: { readonly queued: number };
}

export function statusOf(state: EngineStatus['state'], parts: EngineParts, functions: number): EngineStatus {
  const { options, schedulers, pool, slots, counters, totals } = parts;
  const now = options.clock.now();
  return {
    state,
    memory: {
      runningMb: pool.runningMb,
      cachedMb: pool.cachedMb,
      totalMb: pool.budget.reservedMb,
      budgetMb: pool.budget.totalMb,
      overshootMb: pool.budget.overshootMb,
      runningContainers: pool.runningCount,
      cachedContainers: pool.cachedCount,
    },
    cpu: { slots: slots.total, used: slots.used },
    queue: { length: totals.queued, limit: options.queueLimit },
    queues: { cpu: queueStatus(schedulers.cpu, now), gpu: queueStatus(schedulers.gpu, now) },
    gpus: pool.gpus.all.map((gpu) => gpuStatus(gpu, pool.gpus.isHeld(gpu))),
    backends: backendsStatus(parts),
    starting: schedulers.cpu.starting + schedulers.gpu.starting,
    running: schedulers.cpu.running + schedulers.gpu.running,
    functions,
    counters: { ...counters },
  };
}

/**
 * Expected seconds until each would be answered if all were asked for now, in this order; 0 = not known or never seen. Of several devices the soonest counts.
 */
export function estimateSeconds(
  functions: readonly (FunctionEntry | null)[],
  parts: EngineParts,
  loads: EngineLoads,
): number[] {
  const { slots } = parts;
  const { queued, queuedUs } = parts.schedulers.cpu.line;
  // With a queue nothing new starts at once, however many slots are free: they are being kept for its head.
  let open = queued > 0 ? 0 : slots.free;
  let aheadUs = queuedUs;
  const onCpu = (fn: FunctionEntry): number => {
    const ownUs = fn.stats.cpu.expectedUs(fn.stateOn('cpu'));
    if (ownUs === 0) return 0;
    const { cpus } = fn.spec;
    if (open >= cpus) {
      open -= cpus;
      return ownUs / 1e6;
    }
    const waitUs = aheadUs / slots.total;
    aheadUs += ownUs * cpus;
    return (waitUs + ownUs) / 1e6;
  };
  return functions.map((fn) => {
    if (fn === null) return 0;
    const known = fn.devices
      .map((device) => (device === 'cpu' ? onCpu(fn) : loads.completionUs(fn, device) / 1e6))
      .filter((seconds) => seconds > 0);
    return known.length === 0 ? 0 : Math.min(...known);
  });
}

function queueStatus(scheduler: Scheduler, now: number): QueueStatus {
  const { line, throughput, activeFunctions } = scheduler;
  return {
    length: line.queued,
    expectedUs: line.queuedUs,
    throughput: throughput.executionRate,
    activeFunctions,
    policy: line.policy.report?.(now) ?? null,
  };
}

function backendsStatus({ creation, pool }: EngineParts): BackendStatus[] {
  const containers = new Map<string, number>();
  for (const { backend } of pool.all) containers.set(backend, (containers.get(backend) ?? 0) + 1);
  return [...creation.backends].map(([name, { created, failed, breaker }]) => ({
    name,
    containers: containers.get(name) ?? 0,
    created,
    failed,
    avoided: breaker.isOpen,
  }));
}

function gpuStatus({ index, present, attached, running, attachedMb, utilization }: Gpu, held: boolean): GpuStatus {
  return { index, present, containers: attached, running, reservedMb: attachedMb, utilization, held };
}
