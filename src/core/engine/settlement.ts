import { withCauses } from '../creation/creation-attempts.js';
import type { DispatchPolicy } from '../dispatch/dispatch-policy.js';
import type { ErrorClass, ErrorDetails } from '../errors.js';
import type { Outcome, Payload } from '../invocation.js';
import type { Counters } from './counters.js';
import type { DeadlineWheel } from './deadline-wheel.js';
import type { InvocationEntry } from './invocation-entry.js';
import { leaves } from './scheduler.js';

/**
 * The one place where an invocation ends: exactly once, whatever happens after. By then it is on no list and holds nothing; here it is counted, its
 * function learns from it, and its caller is told.
 */
export class Settlement {
  /** Accepted and not answered yet. */
  open = 0;
  /** Called when the last open invocation has been answered. */
  onQuiet: (() => void) | null = null;
  readonly #wheel: DeadlineWheel;
  readonly #counters: Counters;
  readonly #dispatch: DispatchPolicy;

  constructor(wheel: DeadlineWheel, counters: Counters, dispatch: DispatchPolicy) {
    this.#wheel = wheel;
    this.#counters = counters;
    this.#dispatch = dispatch;
  }

  /** With what its container answered. */
  settle(invocation: InvocationEntry, outcome: Outcome, now: number): void {
    this.#wheel.remove(invocation);
    invocation.phase = 'settled';
    this.#count(outcome.errorClass);
    const { errorClass } = outcome;
    const { containerState, device, lane } = invocation;
    if (containerState !== null && (errorClass === null || errorClass === 'user_error')) {
      const sinceDispatch = now - invocation.dispatchedAt;
      const endToEnd = now - invocation.enqueuedAt;
      const { stats } = invocation.fn;
      stats.ended(device, containerState, outcome.runUs, sinceDispatch, endToEnd);
      if (typeof outcome.cpuUs === 'number') stats.of(device).cpuTime.add(outcome.cpuUs);
      if (invocation.estimatedUs > 0) stats.of(device).estimated(invocation.estimatedUs, endToEnd);
      lane.scheduler.throughput.mark(now, outcome.runUs);
    }
    leaves(lane);
    if (invocation.fn.devices.length > 1) this.#dispatch.ended(invocation, outcome, now);
    this.open--;
    invocation.sink.settled(invocation, outcome, now);
    if (this.open === 0 && this.onQuiet !== null) this.onQuiet();
  }

  /** Without an answer from a container. */
  fail(
    invocation: InvocationEntry,
    errorClass: ErrorClass,
    message: string,
    details: ErrorDetails | null,
    now: number,
  ): void {
    const { attempts, attemptsFailed } = invocation;
    let known = details;
    if (attemptsFailed !== null) known = withCauses(details, attemptsFailed.causes, attempts);
    else if (attempts > 1) known = { ...details, attempts };
    this.settle(invocation, new Failure(errorClass, message, known), now);
  }

  #count(errorClass: ErrorClass | null): void {
    const counters = this.#counters;
    if (errorClass === null) counters.succeeded++;
    else if (errorClass === 'user_error') counters.userErrors++;
    else if (errorClass === 'timeout') counters.timeouts++;
    else if (errorClass === 'overloaded') counters.overloaded++;
    else if (errorClass === 'cancelled') counters.cancelled++;
    else counters.failed++;
  }
}

class Failure implements Outcome {
  readonly errorClass: ErrorClass;
  readonly message: string;
  readonly details: ErrorDetails | null;
  readonly payload: Payload = null;
  readonly runUs = 0;

  constructor(errorClass: ErrorClass, message: string, details: ErrorDetails | null) {
    this.errorClass = errorClass;
    this.message = message;
    this.details = details;
  }
}
