import type { FunctionRecord } from '../../function-record.js';
import type { Invocation } from '../../invocation.js';
import type { HeapNode } from '../../priority-heap.js';
import { LinearRegression } from '../../regression.js';
import { Characteristic } from '../../stats.js';
import { ArrivalList, type ArrivalNode } from '../arrival-list.js';

/**
 * An invocation's place in its flow. It stays in `invocation.queueNode` after the invocation has left, so that one which comes back is known and is not charged
 * twice.
 */
export class FlowNode implements ArrivalNode {
  /** Not always the same object: one queued for two devices comes back as the invocation that its stand-in was for. */
  invocation: Invocation;
  readonly flow: Flow;
  /** By how much its start moves the flow's start tag on; virtual µs. 0 once it has done so. */
  charge: number;
  /** Work queued and running when it arrived; µs. */
  readonly loadUs: number;
  /** From its arrival to its end, as estimated then; µs, 0 = not estimated. */
  readonly estimatedUs: number;
  previous: FlowNode | null = null;
  next: FlowNode | null = null;

  constructor(invocation: Invocation, flow: Flow, charge: number, loadUs: number, estimatedUs: number) {
    this.invocation = invocation;
    this.flow = flow;
    this.charge = charge;
    this.loadUs = loadUs;
    this.estimatedUs = estimatedUs;
  }
}

/**
 * The queue of one function, in the order of arrival, and its place in virtual time.
 *
 * Only the head's start tag S is stored. While a flow is backlogged each start tag is the finish tag before it, so the tags of all others follow from the
 * charges in between, and the flow's finish tag is F = S + Σ charges. One that leaves without having been served takes its charge with it, and those behind
 * it move up, in O(1).
 */
export class Flow implements HeapNode {
  /** In the heap of backlogged flows the start tag, in that of idle ones when their grace ends. */
  priority = 0;
  heapIndex = -1;
  readonly order: number;
  readonly fn: FunctionRecord;
  /** S; virtual µs. */
  startTag: number;
  /** F − S: charges of everything queued; virtual µs. */
  pending = 0;
  inFlight = 0;
  /** `inFlight` times the average execution time, as it was at the latest start or end; µs. */
  runningUs = 0;
  /** Latest start or end; -1 = never. */
  lastServiced = -1;
  /** False = the state Inactive. */
  active = false;
  activeSince = 0;
  /** Mean length of the active periods that have ended; µs. */
  averageActiveUs = 0;
  endedPeriods = 0;
  /** End-to-end time on load; µs. */
  readonly regression = new LinearRegression();
  /** By how much the end-to-end time was above its estimate; µs. */
  readonly estimationError = new Characteristic();
  readonly #items = new ArrivalList<FlowNode>();

  constructor(fn: FunctionRecord, order: number, virtualTime: number) {
    this.fn = fn;
    this.order = order;
    this.startTag = virtualTime;
  }

  get length(): number {
    return this.#items.length;
  }

  get head(): FlowNode | null {
    return this.#items.head;
  }

  /** F; virtual µs. */
  get finishTag(): number {
    return this.startTag + this.pending;
  }

  append(node: FlowNode): void {
    this.#items.push(node);
    this.pending += node.charge;
  }

  putBack(node: FlowNode): void {
    this.#items.insert(node);
    this.pending += node.charge;
  }

  take(node: FlowNode): void {
    this.#items.remove(node);
    // Fractions of a µs must not add up over the life of a flow.
    this.pending = this.length === 0 ? 0 : this.pending - node.charge;
  }
}
