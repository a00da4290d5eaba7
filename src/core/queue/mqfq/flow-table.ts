import type { FunctionRecord } from '../../function-record.js';
import { PriorityHeap } from '../../priority-heap.js';
import { Flow, type FlowNode } from './flow.js';
import { DEFAULT_TTL_MS, type MqfqSettings } from './parameters.js';

export type FlowState = 'active' | 'throttled' | 'inactive';

/**
 * The flows of MQFQ-Sticky, their virtual times and states. Each operation is O(log f).
 *
 * Virtual time VT is the least start tag of all backlogged flows, and stays as it was while there is none. Start tags only grow, and a flow that becomes
 * backlogged starts at VT or later, so VT never falls from one start to the next. The flow with the least start tag has S − VT = 0 ≤ T: it is never
 * throttled, and something can always be served.
 *
 * A flow is Inactive when it has had nothing queued or running for its grace (TTL), else Throttled when S − VT > T, else Active. Throttling is derived when
 * it is asked for. The end of a grace is fixed when it begins, so that when somebody looks makes no difference to the active periods.
 *
 * Eleven policies share it, which is why it is longer than one of them.
 */
export class FlowTable {
  readonly settings: MqfqSettings;
  readonly parallelism: number;
  length = 0;
  /** Σ (F − S); virtual µs. */
  pendingUs = 0;
  /** Σ in flight × average execution time; µs. */
  runningUs = 0;
  inFlight = 0;
  virtualTime = 0;
  readonly #flows = new Map<FunctionRecord, Flow>();
  /** By start tag: those with something queued. */
  readonly #backlog = new PriorityHeap<Flow>();
  /** By the end of their grace: active ones with nothing queued or in flight. */
  readonly #grace = new PriorityHeap<Flow>();
  /** The latest time that was told with a change. */
  #now = 0;
  #created = 0;
  #sweepAt = 16;
  /** Emptied by the latest `leave`, with VT before it. */
  #emptied: Flow | null = null;
  #virtualTimeBefore = 0;

  constructor(settings: MqfqSettings, parallelism: number) {
    this.settings = settings;
    this.parallelism = parallelism;
  }

  /** All that are remembered, in the order in which they were first seen. */
  get flows(): Iterable<Flow> {
    return this.#flows.values();
  }

  /** In no useful order. */
  get backlogged(): Iterable<Flow> {
    return this.#backlog;
  }

  /** Of the least start tag. */
  get first(): Flow | null {
    return this.#backlog.first();
  }

  find(fn: FunctionRecord): Flow | null {
    return this.#flows.get(fn) ?? null;
  }

  flowOf(fn: FunctionRecord): Flow {
    const known = this.#flows.get(fn);
    if (known !== undefined) return known;
    if (this.#flows.size >= this.#sweepAt) this.#forgetRemoved();
    const flow = new Flow(fn, this.#created++, this.virtualTime);
    this.#flows.set(fn, flow);
    return flow;
  }

  stateOf(flow: Flow): FlowState {
    if (!flow.active) return 'inactive';
    return flow.startTag - this.virtualTime > this.settings.allowedOverrunUs ? 'throttled' : 'active';
  }

  /** Backlogged and not throttled, in no useful order; O(f). */
  eligible(): Flow[] {
    const found: Flow[] = [];
    for (const flow of this.#backlog) if (this.stateOf(flow) === 'active') found.push(flow);
    return found;
  }

  /** What one more invocation would be charged; virtual µs. Never 0, or a flow could run for ever without moving on. */
  chargeOf(fn: FunctionRecord): number {
    const { serviceUs, allowedOverrunUs } = this.settings;
    const service = serviceUs || fn.stats.gpu.exec.average || allowedOverrunUs / 10;
    return Math.max(service, 1) / this.#weightOf(fn);
  }

  /** O(f) if the setting is a part of the active flows, else O(1). */
  selectCount(): number {
    const { selectCount } = this.settings;
    if (selectCount > 1) return Math.max(this.parallelism, Math.ceil(selectCount));
    return selectCount === 0
      ? this.parallelism
      : Math.max(this.parallelism, Math.ceil(this.activeFlows() * selectCount));
  }

  activeFlows(): number {
    let count = 0;
    for (const flow of this.#flows.values()) if (this.stateOf(flow) === 'active') count++;
    return count;
  }

  /** It is queued; `again`: ahead of those that came after it. */
  enter(node: FlowNode, now: number, again: boolean): void {
    const { flow } = node;
    const backlogged = flow.length > 0;
    if (again) flow.putBack(node);
    else flow.append(node);
    this.length++;
    this.pendingUs += node.charge;
    this.#now = now;
    if (!backlogged) {
      // One that comes back before anything else has happened: the flow was never gone, whatever VT became without it.
      const stayed = again && this.#emptied === flow;
      this.#activate(flow, now, stayed);
      flow.startTag = Math.max(flow.startTag, stayed ? this.#virtualTimeBefore : this.virtualTime);
      flow.priority = flow.startTag;
      this.#backlog.push(flow);
    }
    this.#changed();
  }

  /** It is taken out; whether it is served, only `serve` tells. Until then it costs its flow nothing. */
  leave(node: FlowNode): void {
    const { flow } = node;
    const virtualTimeBefore = this.virtualTime;
    flow.take(node);
    this.length--;
    this.pendingUs = this.length === 0 ? 0 : this.pendingUs - node.charge;
    if (flow.length === 0) {
      this.#backlog.remove(flow);
      this.#rest(flow, this.#now);
    }
    this.#changed();
    this.#emptied = flow.length === 0 ? flow : null;
    this.#virtualTimeBefore = virtualTimeBefore;
  }

  /** It is started, and is charged unless it was before. */
  serve(node: FlowNode, now: number): void {
    const { flow } = node;
    this.#now = now;
    if (flow.length === 0) {
      const stayed = this.#emptied === flow;
      this.#activate(flow, now, stayed);
      if (!stayed) flow.startTag = Math.max(flow.startTag, this.virtualTime);
    }
    flow.startTag += node.charge;
    node.charge = 0;
    if (flow.length > 0) this.#backlog.move(flow, flow.startTag);
    this.#count(flow, 1, now);
    this.#changed();
  }

  /** One of this flow that was started has ended. */
  finish(flow: Flow, now: number): void {
    this.#now = now;
    this.#count(flow, -1, now);
    this.#rest(flow, now);
    this.#changed();
  }

  /** Graces that have ended by now. */
  expire(now = this.#now): void {
    for (let flow = this.#grace.first(); flow !== null && flow.priority <= now; flow = this.#grace.first()) {
      this.#grace.remove(flow);
      deactivate(flow, flow.priority);
    }
  }

  #changed(): void {
    this.#emptied = null;
    const first = this.#backlog.first();
    if (first !== null) this.virtualTime = first.startTag;
  }

  #count(flow: Flow, change: 1 | -1, now: number): void {
    flow.inFlight += change;
    flow.lastServiced = now;
    this.inFlight += change;
    const runningUs = flow.inFlight * flow.fn.stats.gpu.exec.average;
    this.runningUs = this.inFlight === 0 ? 0 : this.runningUs - flow.runningUs + runningUs;
    flow.runningUs = runningUs;
  }

  #activate(flow: Flow, now: number, stayed: boolean): void {
    if (flow.heapIndex >= 0) {
      this.#grace.remove(flow);
      if (flow.priority <= now && !stayed) deactivate(flow, flow.priority);
    }
    if (flow.active) return;
    flow.active = true;
    flow.activeSince = now;
  }

  /** Its grace begins, if it has nothing more to do. */
  #rest(flow: Flow, now: number): void {
    if (flow.length > 0 || flow.inFlight > 0) return;
    const { ttlUs } = this.settings;
    const interval = flow.fn.stats.interArrival;
    // Of a function that was called once there is no mean yet.
    const graceUs = ttlUs >= 0 ? ttlUs : interval.count === 0 ? DEFAULT_TTL_MS * 1000 : -ttlUs * interval.average;
    flow.priority = now + graceUs;
    this.#grace.push(flow);
  }

  #weightOf(fn: FunctionRecord): number {
    return this.settings.weights.get(fn.key) ?? 1;
  }

  /** Nothing tells a queue that a function has gone. Looked for whenever their number has doubled, it costs O(1) a flow and memory for twice as many. */
  #forgetRemoved(): void {
    this.expire();
    for (const [fn, flow] of this.#flows) if (fn.removed && !flow.active) this.#flows.delete(fn);
    this.#sweepAt = Math.max(16, 2 * this.#flows.size);
  }
}

function deactivate(flow: Flow, at: number): void {
  const lengthUs = at - flow.activeSince;
  flow.active = false;
  flow.averageActiveUs = (flow.endedPeriods * flow.averageActiveUs + lengthUs) / (flow.endedPeriods + 1);
  flow.endedPeriods++;
}
