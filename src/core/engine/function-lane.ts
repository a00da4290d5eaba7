import type { Door } from '../creation/back-off.js';
import type { CreationCause } from '../creation/creation-attempts.js';
import type { Device } from '../function.js';
import { ContainerList } from '../pool/container-entry.js';
import type { FunctionEntry } from './function-entry.js';
import { type InvocationEntry, InvocationList } from './invocation-entry.js';
import type { Scheduler } from './scheduler.js';

/**
 * A function on one kind of device: its containers there and its invocations queued for it. All decisions about one function on one device read only
 * this object and the function's, never a map.
 */
export class FunctionLane implements Door {
  readonly fn: FunctionEntry;
  readonly device: Device;
  readonly scheduler: Scheduler;
  /** Invocations that one container runs at once. On a GPU it is one: a token admits one. */
  readonly concurrency: number;
  /** Device memory that a container reserves; MiB, 0 on the CPU. */
  readonly deviceMb: number;
  /** Host memory that a container reserves, with the device memory that is a part of it; MiB. */
  readonly hostMb: number;

  /** Can take an invocation now; most recently used first. */
  readonly available = new ContainerList();
  /** Being created for nobody in particular (prewarm, or their invocation found a better one). */
  readonly unclaimed = new ContainerList();
  /** Containers being created, claimed or not. */
  creating = 0;
  /** In any phase. */
  containers = 0;
  /** Its containers could not be made: until then (µs) no more are begun; 0 = they are. */
  closedUntil = 0;
  closings = 0;
  closedInARow = 0;
  causes: readonly CreationCause[] = [];
  /** Queued for this device; an invocation queued for two counts on both. */
  queued = 0;
  /** Accepted for this device and not answered yet. */
  open = 0;
  /** Hold CPU slots and a token, and have a container being created for them. */
  readonly starting = new InvocationList();
  /** Hold CPU slots and wait for a place in a container that is being created for another one (concurrency above 1). */
  readonly joined = new InvocationList();
  /** In the queue policy; kept to find them when the function goes. */
  readonly choosable = new InvocationList();
  /** Chosen by the queue policy when the function had no place for them and could get no further container. */
  readonly waiting = new InvocationList();
  /** The one of them that went back to the queue policy because a place came free. */
  woken: InvocationEntry | null = null;

  constructor(fn: FunctionEntry, device: Device, scheduler: Scheduler, deviceMb: number, hostMb: number) {
    this.fn = fn;
    this.device = device;
    this.scheduler = scheduler;
    this.concurrency = device === 'cpu' ? fn.spec.concurrency : 1;
    this.deviceMb = deviceMb;
    this.hostMb = hostMb;
  }

  /** What one more invocation is expected to take from leaving the queue, on the best container that is free; µs, 0 = never seen. */
  get expectedUs(): number {
    return this.fn.stats.of(this.device).expectedUs(this.available.head?.state ?? 'cold');
  }

  /** It waits for an address, and is told when there may be one: until then it gets no further container. */
  lacksAddress = false;

  /** Places in containers being created that no invocation waits for yet. */
  get sparePlaces(): number {
    return this.creating * this.concurrency - this.starting.length - this.joined.length;
  }

  /** Whether it could take one more invocation, were there CPU slots, tokens and memory without end. */
  get hasPlace(): boolean {
    return this.available.head !== null || this.mayCreate || this.sparePlaces > 0;
  }

  /** Whether one more container may be begun, were there memory without end. */
  get mayCreate(): boolean {
    return this.closedUntil === 0 && this.containers < this.fn.maxContainers && !this.lacksAddress;
  }

  /** The oldest invocation whose container is not ready yet. */
  get oldestStarting(): InvocationEntry | null {
    return older(this.starting.head, this.joined.head);
  }

  /** The oldest of those that hold a token of this device. As many steps as there are tokens, one on the CPU. */
  oldestStartingOn(device: number): InvocationEntry | null {
    return older(firstOn(this.starting, device), firstOn(this.joined, device));
  }
}

function firstOn(list: InvocationList, device: number): InvocationEntry | null {
  let invocation = list.head;
  while (invocation !== null && invocation.token !== device) invocation = invocation.next;
  return invocation;
}

function older(a: InvocationEntry | null, b: InvocationEntry | null): InvocationEntry | null {
  if (a === null) return b;
  return b === null || a.id < b.id ? a : b;
}
