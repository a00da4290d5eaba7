import type { FunctionRecord } from '../function-record.js';
import type { Invocation, InvocationSink, Payload } from '../invocation.js';
import type { Counters } from './counters.js';
import type { DeadlineWheel } from './deadline-wheel.js';
import type { EngineLoads } from './device-loads.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import { InvocationEntry } from './invocation-entry.js';
import type { EngineOptions } from './options.js';
import { arrives } from './scheduler.js';
import type { Settlement } from './settlement.js';
import type { QueueTotals } from './waiting-line.js';

/** How an invocation comes in: the device it is queued for, its deadline, its estimate, and the refusal of what cannot be queued. */
export class Admission {
  readonly #o: EngineOptions;
  readonly #wheel: DeadlineWheel;
  readonly #settlement: Settlement;
  readonly #counters: Counters;
  readonly #loads: EngineLoads;
  readonly #totals: QueueTotals;
  /** Of the CPU and of each GPU: some policies learn from arrivals. */
  readonly #arrived: ((fn: FunctionRecord, now: number) => void)[];
  #lastInvocation = 0;

  constructor(
    options: EngineOptions,
    wheel: DeadlineWheel,
    settlement: Settlement,
    counters: Counters,
    loads: EngineLoads,
    totals: QueueTotals,
    arrived: ((fn: FunctionRecord, now: number) => void)[],
  ) {
    this.#o = options;
    this.#wheel = wheel;
    this.#settlement = settlement;
    this.#counters = counters;
    this.#loads = loads;
    this.#totals = totals;
    this.#arrived = arrived;
  }

  /** `refusal`: why nothing is accepted now; null = it is. What cannot be accepted is settled before this returns. */
  invoke(
    fn: FunctionEntry,
    payload: Payload,
    timeoutMs: number,
    tid: string,
    sink: InvocationSink,
    refusal: string | null,
  ): Invocation {
    const now = this.#o.clock.now();
    const deadline = now + (timeoutMs > 0 ? timeoutMs : fn.spec.timeoutMs) * 1000;
    const choice =
      fn.lanes.length === 1 || fn.removed ? null : this.#o.dispatch.choose(fn, fn.devices, this.#loads, now);
    const first = choice === null || choice === 'all' ? (fn.lanes[0] as FunctionLane) : fn.laneOf(choice);
    const invocation = new InvocationEntry(++this.#lastInvocation, first, tid, payload, sink, now, deadline);
    this.#counters.invocations++;
    this.#settlement.open++;
    arrives(first);
    if (fn.lastArrival >= 0) fn.stats.interArrival.add(now - fn.lastArrival);
    fn.lastArrival = now;
    if (this.#arrived.length > 0) for (const arrived of this.#arrived) arrived(fn, now);
    if (refusal !== null) this.#settlement.fail(invocation, 'unavailable', refusal, null, now);
    else if (fn.removed) this.#settlement.fail(invocation, 'not_found', `${fn.key} is not registered`, null, now);
    else {
      invocation.estimatedUs = this.#loads.quickCompletionUs(first);
      this.#wheel.add(invocation, deadline);
      if (!first.scheduler.submit(invocation, now)) this.#refuse(invocation, now);
      else if (choice === 'all' && invocation.phase === 'queued') {
        this.#queueElsewhere(invocation, fn.lanes[1] as FunctionLane, now);
      }
    }
    return invocation;
  }

  #queueElsewhere(invocation: InvocationEntry, lane: FunctionLane, now: number): void {
    const standIn = invocation.makeStandIn(lane);
    standIn.estimatedUs = this.#loads.quickCompletionUs(lane);
    arrives(lane);
    lane.scheduler.submit(standIn, now);
  }

  #refuse(invocation: InvocationEntry, now: number): void {
    const { fn, lane } = invocation;
    const ownBound = fn.queued >= fn.queueLimit;
    const waiting = ownBound ? fn.queued : this.#totals.queued;
    const interval = lane.scheduler.throughput.intervalUs(now);
    // When what waits now will have left at the present pace; a second while there is no pace to go by.
    const retryAfterMs = interval === 0 ? 1000 : Math.min(60_000, Math.max(1, Math.ceil((waiting * interval) / 1000)));
    const whose = ownBound ? `the queue of ${fn.key}` : 'the queue of the worker';
    const limit = ownBound ? fn.queueLimit : this.#o.queueLimit;
    const message = `${whose} is full (${limit}); try again in ${retryAfterMs} ms`;
    this.#settlement.fail(invocation, 'overloaded', message, { retryAfterMs }, now);
  }
}
