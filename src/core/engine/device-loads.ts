import type { DeviceLoads } from '../dispatch/dispatch-policy.js';
import type { Device } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { CpuSlots } from '../resources/cpu-slots.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import type { Scheduler } from './scheduler.js';

/** A function that has a container is taken to find it free, one that has none is not (Ilúvatar's figures for the CPU). */
const LIKELY = 0.99;
const UNLIKELY = 0.01;

/** What dispatch policies and estimates are told of the queues; nothing is kept here. */
export class EngineLoads implements DeviceLoads {
  readonly #schedulers: Readonly<Record<Device, Scheduler>>;
  readonly #slots: CpuSlots;
  readonly #now: () => number;

  constructor(schedulers: Readonly<Record<Device, Scheduler>>, slots: CpuSlots, now: () => number) {
    this.#schedulers = schedulers;
    this.#slots = slots;
    this.#now = now;
  }

  queuedUs(device: Device): number {
    return this.#schedulers[device].line.queuedUs;
  }

  queueLength(device: Device): number {
    return this.#schedulers[device].line.queued;
  }

  queuedOf(fn: FunctionRecord, device: Device): number {
    return (fn as FunctionEntry).laneOf(device).queued;
  }

  completionUs(fn: FunctionRecord, device: Device): number {
    const lane = (fn as FunctionEntry).laneOf(device);
    const ownUs = lane.expectedUs;
    if (ownUs === 0) return 0;
    const { policy, queued } = lane.scheduler.line;
    const asks = policy.waitUs !== undefined && (queued > 0 || this.#free(device) < 1);
    return ownUs + (asks ? (policy.waitUs?.(fn, this.#now()) ?? 0) : this.#quickWaitUs(lane));
  }

  /** The same without asking the policy, whose word may cost a simulation of its queue: cheap enough for every arrival. */
  quickCompletionUs(lane: FunctionLane): number {
    const ownUs = lane.expectedUs;
    return ownUs === 0 ? 0 : this.#quickWaitUs(lane) + ownUs;
  }

  /** How long one more would wait before it starts; µs: the expected work divided by what runs at once. */
  #quickWaitUs({ device, scheduler }: FunctionLane): number {
    const { queued, queuedUs } = scheduler.line;
    if (queued === 0 && this.#free(device) >= 1) return 0;
    if (device === 'cpu' && queued <= this.#slots.free) return 0;
    return queuedUs / Math.max(1, Math.min(this.parallelism(device), queued));
  }

  parallelism(device: Device): number {
    return device === 'cpu' ? this.#slots.total : this.#schedulers.gpu.devices.tokens;
  }

  throughput(device: Device): number {
    return this.#schedulers[device].throughput.executionRate;
  }

  hitProbability(fn: FunctionRecord, device: Device): number {
    const { policy } = this.#schedulers[device].line;
    if (policy.hitProbability !== undefined) return policy.hitProbability(fn);
    return (fn as FunctionEntry).laneOf(device).containers > 0 ? LIKELY : UNLIKELY;
  }

  activeFunctions(device: Device): number {
    return this.#schedulers[device].activeFunctions;
  }

  #free(device: Device): number {
    if (device === 'cpu') return this.#slots.free;
    const { devices, running, starting } = this.#schedulers.gpu;
    return devices.tokens - running - starting;
  }
}
