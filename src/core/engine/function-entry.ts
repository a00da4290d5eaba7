import type { Device, FunctionSpec } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { ContainerState } from '../pool/container.js';
import { toMilliSlots } from '../resources/cpu-slots.js';
import { FunctionStats } from '../stats.js';
import type { FunctionLane } from './function-lane.js';

/** A registered function as the engine keeps it: the public record, its limits, and a lane for each kind of device that it may use here. */
export class FunctionEntry implements FunctionRecord {
  readonly key: string;
  readonly spec: FunctionSpec;
  readonly index: number;
  readonly stats = new FunctionStats();
  queued = 0;
  running = 0;
  containers = 0;
  removed = false;

  /** Where its containers may be made, in order of preference. */
  readonly backends: readonly string[];
  /** Attempts on each. */
  readonly createAttempts: number;
  /** The devices that it may use here; one in most cases, and then no dispatch policy is asked. */
  readonly devices: readonly Device[];
  readonly milliSlots: number;
  readonly maxContainers: number;
  readonly queueLimit: number;
  readonly needsAddress: boolean;
  lastArrival = -1;
  /** One for each of `devices`, in that order. */
  lanes: readonly FunctionLane[] = [];

  constructor(
    spec: FunctionSpec,
    key: string,
    index: number,
    backends: readonly string[],
    createAttempts: number,
    devices: readonly Device[],
  ) {
    this.spec = spec;
    this.key = key;
    this.index = index;
    this.backends = backends;
    this.createAttempts = createAttempts;
    this.devices = devices;
    this.milliSlots = toMilliSlots(spec.cpus);
    this.maxContainers = spec.maxContainers ?? Number.POSITIVE_INFINITY;
    this.needsAddress = spec.needsAddress ?? false;
    this.queueLimit = spec.queueLimit ?? Number.POSITIVE_INFINITY;
  }

  /** `device` is one of its own. */
  laneOf(device: Device): FunctionLane {
    const first = this.lanes[0] as FunctionLane;
    return first.device === device ? first : (this.lanes[1] as FunctionLane);
  }

  stateOn(device: Device): ContainerState {
    if (!this.devices.includes(device)) return 'cold';
    return this.laneOf(device).available.head?.state ?? 'cold';
  }

  warmOn(device: number): boolean {
    const kind: Device = device < 0 ? 'cpu' : 'gpu';
    if (!this.devices.includes(kind)) return false;
    // On the CPU the first will do; on GPUs there are no more of them than attachments.
    let container = this.laneOf(kind).available.head;
    while (container !== null && (container.gpu !== device || container.state !== 'warm')) {
      container = device < 0 ? null : container.next;
    }
    return container !== null;
  }
}
