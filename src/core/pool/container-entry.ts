import type { CreationAttempts } from '../creation/creation-attempts.js';
import type { FunctionEntry } from '../engine/function-entry.js';
import type { FunctionLane } from '../engine/function-lane.js';
import { type InvocationEntry, InvocationList } from '../engine/invocation-entry.js';
import type { Device } from '../function.js';
import type { DestroyReason } from '../ports.js';
import type { Container, ContainerState } from './container.js';
import type { EvictionPolicy } from './eviction/eviction-policy.js';

/** A container as the engine keeps it: the public record plus its links, what it runs, and whether it is to go once that has ended. */
export class ContainerEntry implements Container {
  readonly id: number;
  readonly fn: FunctionEntry;
  readonly backend: string;
  readonly lane: FunctionLane;
  readonly device: Device;
  readonly gpu: number;
  readonly eviction: EvictionPolicy;
  readonly memoryMb: number;
  state: ContainerState = 'cold';
  phase: Container['phase'] = 'creating';
  readonly createdAt: number;
  idleSince = 0;
  invocations = 0;
  active = 0;
  measuredMb = 0;
  /** Measured above its reservation; whole MiB, so that sums of it come out even. */
  overshootMb = 0;
  pending: InvocationEntry | null = null;
  /** The probe of its backend's circuit breaker, while it is being created. */
  probe = false;
  poolNode: unknown = null;
  evictionNode: unknown = null;
  handle: unknown = undefined;

  /** What it runs now. */
  readonly runs = new InvocationList();
  /** Takes nothing new, and goes for this reason when what it runs has ended. */
  doomed: DestroyReason | null = null;
  /** Told when it is ready or cannot be: the prewarm request it is for. */
  prewarm: PrewarmTarget | null = null;

  list: ContainerList | null = null;
  previous: ContainerEntry | null = null;
  next: ContainerEntry | null = null;

  constructor(
    id: number,
    lane: FunctionLane,
    gpu: number,
    backend: string,
    eviction: EvictionPolicy,
    createdAt: number,
  ) {
    const { fn } = lane;
    this.id = id;
    this.fn = fn;
    this.lane = lane;
    this.device = lane.device;
    this.gpu = gpu;
    this.eviction = eviction;
    this.backend = backend;
    this.memoryMb = lane.hostMb;
    this.createdAt = createdAt;
  }
}

/** The part of a prewarm request that its containers know: one of its places. */
export interface PrewarmTarget {
  readonly attempts: CreationAttempts;
}

/** Doubly linked through the containers, newest first: a stack from which anything can be taken in O(1). */
export class ContainerList {
  head: ContainerEntry | null = null;
  length = 0;

  push(container: ContainerEntry): void {
    container.list = this;
    container.previous = null;
    container.next = this.head;
    if (this.head !== null) this.head.previous = container;
    this.head = container;
    this.length++;
  }

  remove(container: ContainerEntry): void {
    const { previous, next } = container;
    if (previous === null) this.head = next;
    else previous.next = next;
    if (next !== null) next.previous = previous;
    container.list = null;
    container.previous = null;
    container.next = null;
    this.length--;
  }
}
