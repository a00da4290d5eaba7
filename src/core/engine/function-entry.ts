import type { Device, FunctionSpec } from '../function.js';
import type { FunctionRecord } from '../function-record.js';
import type { ContainerState } from '../pool/container.js';
import { ContainerList } from '../pool/container-entry.js';
import { toMilliSlots } from '../resources/cpu-slots.js';
import { FunctionStats } from '../stats.js';
import { type InvocationEntry, InvocationList } from './invocation-entry.js';

/**
 * A registered function as the engine keeps it: the public record plus everything of this function that can be chosen, waited for or started.
 * All decisions about one function read only this object, never a map.
 */
export class FunctionEntry implements FunctionRecord {
  readonly key: string;
  readonly spec: FunctionSpec;
  readonly index: number;
  readonly stats = new FunctionStats();
  queued = 0;
  running = 0;
  containers = 0;
  removed = false;

  /** Where its containers are made. */
  readonly backend: string;
  /** The devices that it may use here; one in most cases, and then no dispatch policy is asked. */
  readonly devices: readonly Device[];
  readonly milliSlots: number;
  readonly concurrency: number;
  readonly maxContainers: number;
  readonly queueLimit: number;
  lastArrival = -1;

  /** Can take an invocation now; most recently used first. */
  readonly available = new ContainerList();
  /** Being created for nobody in particular (prewarm, or their invocation found a better one). */
  readonly unclaimed = new ContainerList();
  /** Containers being created, claimed or not. */
  creating = 0;
  /** Hold CPU slots and have a container being created for them. */
  readonly starting = new InvocationList();
  /** Hold CPU slots and wait for a place in a container that is being created for another one (concurrency above 1). */
  readonly joined = new InvocationList();
  /** In the queue policy; kept to find them when the function goes. */
  readonly choosable = new InvocationList();
  /** Chosen by the queue policy when the function had no place for them and could get no further container. */
  readonly waiting = new InvocationList();
  /** The one of them that went back to the queue policy because a place came free. */
  woken: InvocationEntry | null = null;

  constructor(spec: FunctionSpec, key: string, index: number, backend: string, devices: readonly Device[]) {
    this.spec = spec;
    this.key = key;
    this.index = index;
    this.backend = backend;
    this.devices = devices;
    this.milliSlots = toMilliSlots(spec.cpus);
    this.concurrency = spec.concurrency;
    this.maxContainers = spec.maxContainers ?? Number.POSITIVE_INFINITY;
    this.queueLimit = spec.queueLimit ?? Number.POSITIVE_INFINITY;
  }

  stateOn(_device: Device): ContainerState {
    return this.available.head?.state ?? 'cold';
  }

  warmOn(_device: number): boolean {
    return this.available.head?.state === 'warm';
  }

  /** Places in containers being created that no invocation waits for yet. */
  get sparePlaces(): number {
    return this.creating * this.concurrency - this.starting.length - this.joined.length;
  }

  /** Whether it could take one more invocation, were there CPU slots and memory without end. */
  get hasPlace(): boolean {
    return this.available.head !== null || this.containers < this.maxContainers || this.sparePlaces > 0;
  }

  /** The oldest invocation whose container is not ready yet. */
  get oldestStarting(): InvocationEntry | null {
    const a = this.starting.head;
    const b = this.joined.head;
    if (a === null) return b;
    return b === null || a.id < b.id ? a : b;
  }
}
