import type { FunctionRecord } from '../../function-record.js';
import type { Invocation } from '../../invocation.js';
import type { PolicyContext } from '../../policy.js';
import type { Random } from '../../random.js';
import type { QueuePolicy } from '../queue-policy.js';
import { loadOf } from './estimation.js';
import { type Flow, FlowNode } from './flow.js';
import { FlowTable } from './flow-table.js';
import { Learning } from './learning.js';
import type { MqfqSettings } from './parameters.js';
import { flowReport, type MqfqReport } from './report.js';
import type { Choosable, Selection } from './selection.js';

/**
 * MQFQ-Sticky (arXiv 2507.08954), after Multi-Queue Fair Queueing (ATC '19): one flow for each function. An invocation that arrives is charged c = service /
 * weight and gets the tags S = max(VT, F of its flow) and F = S + c; a flow may be ahead of virtual time by T and is throttled beyond. `selection` picks
 * among the others; that is all in which the variants differ.
 *
 * Start tags move on when an invocation starts. One that leaves without having been started (its time has passed, its caller left, another device took it) was
 * never in flight and gives its charge back; one that was started and comes back was charged and is not charged again.
 *
 * `choose` is null only when nothing is queued, see `FlowTable`. push, remove, started, ended: O(log f).
 */
export class MqfqQueue implements QueuePolicy {
  readonly bypassWhenEmpty: boolean = false;
  readonly #settings: MqfqSettings;
  readonly #selection: Selection;
  readonly #random: Random;
  readonly #table: FlowTable;
  readonly #learns: boolean;
  readonly #learning = new Learning();
  readonly #choosable: Choosable;
  #lastServed: Flow | null = null;
  /** -1 = not drawn since the latest change. */
  #draw = -1;

  constructor(selection: Selection, settings: MqfqSettings, context: PolicyContext) {
    this.#selection = selection;
    this.#settings = settings;
    this.#random = context.random;
    this.#table = new FlowTable(settings, context.parallelism);
    this.#learns = settings.estimation.learns || settings.addEstimationError;
    const queue = this;
    this.#choosable = {
      table: this.#table,
      get lastServed() {
        return queue.#lastServed;
      },
      draw: () => {
        if (queue.#draw < 0) queue.#draw = queue.#random();
        return queue.#draw;
      },
    };
  }

  get length(): number {
    return this.#table.length;
  }

  push(invocation: Invocation, _expectedUs: number, now: number): void {
    this.#enter(this.#nodeFor(invocation, now), now, false);
  }

  requeue(invocation: Invocation, now: number): void {
    const node = (invocation.queueNode as FlowNode | null) ?? this.#nodeFor(invocation, now);
    node.invocation = invocation;
    this.#enter(node, now, true);
  }

  choose(device: number, now: number): Invocation | null {
    if (this.length === 0) return null;
    this.#table.expire(now);
    return this.#selection(this.#choosable, device).head?.invocation ?? null;
  }

  remove(invocation: Invocation): void {
    this.#table.leave(invocation.queueNode as FlowNode);
    this.#draw = -1;
  }

  started(invocation: Invocation, now: number): void {
    const node = (invocation.queueNode as FlowNode | null) ?? this.#nodeFor(invocation, now);
    invocation.queueNode = node;
    this.#table.serve(node, now);
    this.#lastServed = node.flow;
    this.#draw = -1;
  }

  ended(invocation: Invocation, now: number): void {
    const node = invocation.queueNode as FlowNode;
    if (this.#learns) this.#learning.ended(node, invocation, now);
    this.#table.finish(node.flow, now);
    this.#draw = -1;
  }

  waitUs(fn: FunctionRecord, now: number): number {
    this.#table.expire(now);
    const waitUs = this.#uncorrectedUs(fn);
    const flow = this.#table.find(fn);
    const correct = this.#settings.addEstimationError && this.length > 0 && flow !== null;
    return Math.max(0, correct ? waitUs + flow.estimationError.average : waitUs);
  }

  /**
   * Chance that a container of this function is still warm when it is called next: 1 − exp(−mean active period / mean inter-arrival time); 0 = nothing is
   * known.
   */
  hitProbability(fn: FunctionRecord): number {
    this.#table.expire();
    const activeUs = this.#table.find(fn)?.averageActiveUs ?? 0;
    const { count, average } = fn.stats.interArrival;
    return activeUs === 0 || count === 0 ? 0 : 1 - Math.exp(-activeUs / average);
  }

  report(now: number): MqfqReport {
    this.#table.expire(now);
    return flowReport(this.#table);
  }

  #enter(node: FlowNode, now: number, again: boolean): void {
    node.invocation.queueNode = node;
    this.#table.enter(node, now, again);
    this.#draw = -1;
  }

  #nodeFor(invocation: Invocation, now: number): FlowNode {
    const { fn } = invocation;
    const flow = this.#table.flowOf(fn);
    const runUs = fn.stats.gpu.exec.average;
    let estimatedUs = 0;
    if (this.#settings.addEstimationError && runUs > 0) {
      this.#table.expire(now);
      // Without the correction: one that learnt from its own corrected estimates would take off half the error only.
      estimatedUs = Math.max(0, this.#uncorrectedUs(fn)) + runUs;
    }
    return new FlowNode(invocation, flow, this.#table.chargeOf(fn), loadOf(this.#table), estimatedUs);
  }

  #uncorrectedUs(fn: FunctionRecord): number {
    const table = this.#table;
    this.#learning.settle();
    return this.#settings.estimation.waitUs({ table, fn, flow: table.find(fn), regression: this.#learning.regression });
  }
}
