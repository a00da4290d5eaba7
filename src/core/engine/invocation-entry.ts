import type { CreationAttempts } from '../creation/creation-attempts.js';
import type { Device } from '../function.js';
import type { FailedAttempt, Invocation, InvocationSink, Payload } from '../invocation.js';
import type { ContainerState } from '../pool/container.js';
import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerFailure } from '../ports.js';
import type { PowerDraw } from '../resources/power-cap.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';

/**
 * An invocation as the engine keeps it: the public record plus the links of the lists it is on. The links live in the invocation itself so that
 * moving it costs no allocation; it is on at most one list of `InvocationList` at a time, and beside that in the deadline wheel.
 */
export class InvocationEntry implements Invocation {
  readonly id: number;
  readonly fn: FunctionEntry;
  /** Where it is queued and runs. */
  lane: FunctionLane;
  device: Device;
  readonly tid: string;
  readonly payload: Payload;
  readonly sink: InvocationSink;
  readonly enqueuedAt: number;
  readonly deadline: number;
  dispatchedAt = 0;
  runningAt = 0;
  attempts = 0;
  containerState: ContainerState | null = null;
  container: ContainerEntry | null = null;
  failedAttempts: FailedAttempt[] | null = null;
  phase: Invocation['phase'] = 'queued';
  queueNode: unknown = null;

  /** Which structure holds it, so that it can be taken out of the right one. */
  place: 'nowhere' | 'policy' | 'waiting' | 'starting' | 'joined' | 'running' = 'nowhere';
  /** The container being created for it, while `place` is `starting`. */
  creation: ContainerEntry | null = null;
  /** Runs that a lost container ended and that were begun again. */
  retried = 0;
  /** How often its lane had been closed after failed creations when it came. */
  closingsBefore: number;
  /** The attempts to make a container for it that failed; null = none did. */
  attemptsFailed: CreationAttempts | null = null;
  /** What it was expected to take when it was queued; µs. Kept, so that exactly this is taken off the queue's sum again. */
  expectedUs = 0;
  /** From its arrival to its end, as it was estimated on its arrival; µs, 0 = nothing was known. */
  estimatedUs = 0;
  /** The device whose token it holds while it starts or runs; -1 = the CPU. */
  token = -1;
  /** Thousandths of CPU slots that it holds. */
  heldSlots = 0;
  /** What the power cap counts it with while it starts or runs; null = there is none. */
  draw: PowerDraw | null = null;
  /** Queued for two devices, it has a stand-in in the second queue; each knows the other. The first that is chosen takes both out. */
  twin: InvocationEntry | null = null;
  readonly isStandIn: boolean;
  /** Its time has passed while it ran: the agent was told, and the grace runs. */
  overdue = false;
  list: InvocationList | null = null;
  previous: InvocationEntry | null = null;
  next: InvocationEntry | null = null;

  /** The deadline wheel's: when to look at it, its slot (-1 = not in the wheel) and links. */
  dueAt = 0;
  wheelSlot = -1;
  wheelPrevious: InvocationEntry | null = null;
  wheelNext: InvocationEntry | null = null;

  constructor(
    id: number,
    lane: FunctionLane,
    tid: string,
    payload: Payload,
    sink: InvocationSink,
    enqueuedAt: number,
    deadline: number,
    isStandIn = false,
  ) {
    this.id = id;
    this.fn = lane.fn;
    this.lane = lane;
    this.device = lane.device;
    this.closingsBefore = lane.closings;
    this.tid = tid;
    this.payload = payload;
    this.sink = sink;
    this.enqueuedAt = enqueuedAt;
    this.deadline = deadline;
    this.isStandIn = isStandIn;
  }

  /** A container for it could not be made, or was lost under it. */
  attemptFailed(at: number, step: FailedAttempt['step'], backend: string, failure: ContainerFailure): void {
    const { errorClass, message } = failure;
    this.failedAttempts ??= [];
    this.failedAttempts.push({ at, step, backend, errorClass, message });
  }

  /** It runs on another kind of device. */
  moveTo(lane: FunctionLane): void {
    this.lane = lane;
    this.device = lane.device;
    this.closingsBefore = lane.closings;
  }

  /** What stands for it in the queue of another device. */
  makeStandIn(lane: FunctionLane): InvocationEntry {
    const { id, tid, payload, sink, enqueuedAt, deadline } = this;
    const standIn = new InvocationEntry(id, lane, tid, payload, sink, enqueuedAt, deadline, true);
    standIn.twin = this;
    this.twin = standIn;
    return standIn;
  }
}

/** Doubly linked through the invocations: every operation is O(1) except `insertInOrder` for one that comes back late. */
export class InvocationList {
  head: InvocationEntry | null = null;
  tail: InvocationEntry | null = null;
  length = 0;

  push(invocation: InvocationEntry): void {
    invocation.list = this;
    invocation.previous = this.tail;
    invocation.next = null;
    if (this.tail === null) this.head = invocation;
    else this.tail.next = invocation;
    this.tail = invocation;
    this.length++;
  }

  /** By age. Looks from the back, where all but those that come back from a failed attempt belong. */
  insertInOrder(invocation: InvocationEntry): void {
    let after = this.tail;
    while (after !== null && after.id > invocation.id) after = after.previous;
    if (after === this.tail) {
      this.push(invocation);
      return;
    }
    const before = after === null ? this.head : after.next;
    invocation.list = this;
    invocation.previous = after;
    invocation.next = before;
    if (after === null) this.head = invocation;
    else after.next = invocation;
    if (before !== null) before.previous = invocation;
    this.length++;
  }

  remove(invocation: InvocationEntry): void {
    const { previous, next } = invocation;
    if (previous === null) this.head = next;
    else previous.next = next;
    if (next === null) this.tail = previous;
    else next.previous = previous;
    invocation.list = null;
    invocation.previous = null;
    invocation.next = null;
    this.length--;
  }
}
