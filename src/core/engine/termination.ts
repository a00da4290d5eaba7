import { CreationAttempts, messageAfter } from '../creation/creation-attempts.js';
import type { CreationPolicy, Verdict } from '../creation/creation-policy.js';
import type { ErrorClass, ErrorDetails } from '../errors.js';
import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerFailure, DestroyReason } from '../ports.js';
import type { ContainerSupply } from './container-supply.js';
import type { Counters } from './counters.js';
import type { FunctionEntry } from './function-entry.js';
import type { FunctionLane } from './function-lane.js';
import type { InvocationEntry } from './invocation-entry.js';
import type { Prewarmer } from './prewarmer.js';
import { leaves } from './scheduler.js';
import type { Settlement } from './settlement.js';

/**
 * Everything that ends otherwise than by a result: lost containers, retries, time-outs, functions that go, and the end of the engine. In each case
 * the books are put right and commands are given before any caller is told, so that a caller who comes straight back finds a consistent engine.
 */
export class Termination {
  readonly #supply: ContainerSupply;
  readonly #settlement: Settlement;
  readonly #prewarmer: Prewarmer;
  readonly #pool: ContainerPool;
  readonly #creation: CreationPolicy;
  readonly #counters: Counters;

  constructor(
    supply: ContainerSupply,
    settlement: Settlement,
    prewarmer: Prewarmer,
    pool: ContainerPool,
    creation: CreationPolicy,
    counters: Counters,
  ) {
    this.#supply = supply;
    this.#settlement = settlement;
    this.#prewarmer = prewarmer;
    this.#pool = pool;
    this.#creation = creation;
    this.#counters = counters;
  }

  /** Takes one that does not run yet from wherever it is. */
  withdraw(invocation: InvocationEntry): void {
    const { scheduler } = invocation.lane;
    if (invocation.phase !== 'queued') {
      scheduler.leaveStarting(invocation);
      return;
    }
    scheduler.leaveQueue(invocation);
    const standIn = invocation.twin;
    if (standIn === null) return;
    invocation.twin = null;
    standIn.twin = null;
    standIn.lane.scheduler.leaveQueue(standIn);
    leaves(standIn.lane);
  }

  /** Whether a container may go on after an answer of this class: after an error of the function yes, after anything that broke its process no. */
  judge(container: ContainerEntry, errorClass: ErrorClass | null): void {
    const reason = replacedAfter(errorClass);
    if (reason === null) {
      container.state = 'warm';
      return;
    }
    this.#pool.withdraw(container);
    container.doomed ??= reason;
  }

  /**
   * A container that was being created is gone or going. It is tried again for those it was for: at once on another backend, or after a back-off, in which they hold nothing and
   * wait in the queue; or they are told. Others that counted on it get another one.
   */
  creationFailed(container: ContainerEntry, failure: ContainerFailure, now: number): void {
    const { pending, prewarm, lane, backend } = container;
    const { scheduler, fn } = lane;
    const creation = this.#creation;
    creation.failed(container, failure);
    container.prewarm = null;
    container.pending = null;
    if (pending !== null) {
      pending.attemptsFailed ??= new CreationAttempts();
      pending.attemptFailed(now, 'create', backend, failure);
    }
    const attempts = pending?.attemptsFailed ?? null;
    const verdict = attempts === null ? null : creation.judge(fn, attempts, backend, failure);
    const prewarmVerdict = prewarm === null ? null : creation.judge(fn, prewarm.attempts, backend, failure);
    const verdicts = [verdict, prewarmVerdict];
    for (const one of verdicts) this.#count(one);
    // Nobody's, or given up: whoever comes next would fail on the same backend.
    const others = failure.transient && !verdicts.includes('elsewhere') && creation.choose(fn, null) === backend;
    const closed = (others || verdicts.includes('later')) && creation.backOff.close(lane, backend, failure, now);
    if (pending !== null) {
      scheduler.rejoin(pending);
      if (verdict !== 'elsewhere') scheduler.leaveStarting(pending);
      if (verdict === 'later') scheduler.resubmit(pending);
      else if (verdict === 'elsewhere') pending.attempts++;
    }
    const hopeless = closed ? this.#takeHopeless(lane) : [];
    scheduler.recover(lane);
    for (const one of hopeless) {
      one.attemptsFailed ??= new CreationAttempts(lane.causes);
      this.#settlement.fail(one, failure.errorClass, messageAfter(one.attemptsFailed.causes), failure.details, now);
    }
    if (pending !== null && attempts !== null && verdict === 'never') {
      this.#settlement.fail(pending, failure.errorClass, messageAfter(attempts.causes), failure.details, now);
    }
    if (prewarm === null) return;
    if (prewarmVerdict !== 'never') this.#prewarmer.again(prewarm, failure);
    else this.#prewarmer.ended(prewarm, { ...failure, message: messageAfter(prewarm.attempts.causes) });
  }

  /** As `creationFailed`, but its device is gone, which is no fault of its backend's: it counts as no attempt. */
  creationLost(container: ContainerEntry, failure: ContainerFailure): void {
    const { pending, prewarm, lane } = container;
    container.prewarm = null;
    container.pending = null;
    if (pending !== null) lane.scheduler.rejoin(pending);
    lane.scheduler.recover(lane);
    if (prewarm !== null) this.#prewarmer.again(prewarm, failure);
  }

  /** A ready container is lost with everything it runs. */
  containerLost(container: ContainerEntry, failure: ContainerFailure, reason: DestroyReason, now: number): void {
    const runs = this.#takeRuns(container);
    const failed: InvocationEntry[] = [];
    for (const invocation of runs) {
      if (!invocation.overdue && mayRetry(invocation, failure)) {
        this.#counters.retries++;
        invocation.retried++;
        invocation.attemptFailed(now, 'run', container.backend, failure);
        invocation.lane.scheduler.resubmit(invocation);
      } else failed.push(invocation);
    }
    this.#supply.destroy(container, reason);
    for (const invocation of failed) {
      if (invocation.overdue) this.failOverdue(invocation, failure.details, now);
      else this.#settlement.fail(invocation, failure.errorClass, failure.message, failure.details, now);
    }
  }

  /** The grace of an overdue invocation is over as well: its container goes now, with everything else on it. */
  takeAway(container: ContainerEntry, overdue: InvocationEntry, now: number): void {
    const message = `its container was taken away because invocation ${overdue.tid === '' ? overdue.id : overdue.tid} on it overran its time`;
    this.containerLost(container, { errorClass: 'crashed', message, details: null, transient: false }, 'timeout', now);
  }

  failOverdue(invocation: InvocationEntry, details: ErrorDetails | null, now: number): void {
    const afterMs = Math.round((invocation.deadline - invocation.enqueuedAt) / 1000);
    this.#settlement.fail(invocation, 'timeout', `it did not end within ${afterMs} ms`, details, now);
  }

  /** `fn.removed` is set: answers what waits, and lets its containers go, busy ones when they have finished. */
  functionRemoved(fn: FunctionEntry, now: number): void {
    const message = `${fn.key} was unregistered`;
    const waiting = this.#takeWaiting(fn);
    for (const container of this.#pool.all) {
      if (container.fn === fn) this.#dismiss(container, 'unregistered', message);
    }
    this.#prewarmer.giveUp(fn, message);
    for (const lane of fn.lanes) this.#creation.backOff.reset(lane);
    for (const invocation of waiting) this.#settlement.fail(invocation, 'unavailable', message, null, now);
  }

  destroyIdle(reason: DestroyReason): number {
    let count = 0;
    for (let idle = this.#pool.victim(); idle !== null; idle = this.#pool.victim()) {
      this.#supply.destroy(idle, reason);
      count++;
    }
    return count;
  }

  /** The end of all functions: what is open is answered, and every container goes at once. */
  everything(functions: readonly FunctionEntry[], now: number): void {
    const message = 'the worker is stopping';
    const open: InvocationEntry[] = [];
    for (const fn of functions) open.push(...this.#takeWaiting(fn));
    for (const container of this.#pool.all) {
      open.push(...this.#takeRuns(container));
      container.doomed = 'stopping';
      this.#dismiss(container, 'stopping', message);
    }
    this.#prewarmer.giveUp(null, message);
    for (const fn of functions) for (const lane of fn.lanes) this.#creation.backOff.reset(lane);
    for (const invocation of open) this.#settlement.fail(invocation, 'unavailable', message, null, now);
  }

  /**
   * Those that have waited while as many attempts as they may have failed one after the other, without a success between them: theirs would be no better, and in a long
   * failure only as many are tried at a time as there are slots. What is queued for another device too may still run there.
   */
  #takeHopeless(lane: FunctionLane): InvocationEntry[] {
    const { createAttempts, backends } = lane.fn;
    const limit = createAttempts * backends.length;
    if (lane.closedInARow < limit) return [];
    const taken: InvocationEntry[] = [];
    for (const list of [lane.waiting, lane.choosable]) {
      for (let one = list.head; one !== null; one = one.next) {
        if (one.twin === null && lane.closings - one.closingsBefore >= limit) taken.push(one);
      }
    }
    for (const invocation of taken) this.withdraw(invocation);
    return taken;
  }

  #count(verdict: Verdict | null): void {
    if (verdict === 'later') this.#counters.creationRetries++;
    else if (verdict === 'elsewhere') this.#counters.fallBacks++;
  }

  /** Taken out first and answered later: an answered caller may come back before the next one is taken out. */
  #takeWaiting(fn: FunctionEntry): InvocationEntry[] {
    const taken: InvocationEntry[] = [];
    for (;;) {
      const found = firstWaiting(fn);
      if (found === null) return taken;
      // A stand-in goes with what it stands for.
      const invocation = found.isStandIn ? (found.twin as InvocationEntry) : found;
      this.withdraw(invocation);
      taken.push(invocation);
    }
  }

  #takeRuns(container: ContainerEntry): InvocationEntry[] {
    const runs: InvocationEntry[] = [];
    for (let invocation = container.runs.head; invocation !== null; invocation = container.runs.head) {
      container.lane.scheduler.endRun(invocation, container);
      runs.push(invocation);
    }
    container.active = 0;
    return runs;
  }

  #dismiss(container: ContainerEntry, reason: DestroyReason, message: string): void {
    if (container.active > 0) {
      this.#pool.withdraw(container);
      container.doomed ??= reason;
      return;
    }
    const { prewarm } = container;
    container.prewarm = null;
    this.#supply.destroy(container, reason);
    if (prewarm !== null) {
      this.#prewarmer.ended(prewarm, { errorClass: 'unavailable', message, details: null, transient: false });
    }
  }
}

/** Oldest first within each of its lists. */
function firstWaiting(fn: FunctionEntry): InvocationEntry | null {
  for (const { waiting, choosable, oldestStarting } of fn.lanes) {
    const invocation = waiting.head ?? choosable.head ?? oldestStarting;
    if (invocation !== null) return invocation;
  }
  return null;
}

function mayRetry(invocation: InvocationEntry, failure: ContainerFailure): boolean {
  return failure.transient && !invocation.fn.removed && invocation.retried < invocation.fn.spec.retries;
}

function replacedAfter(errorClass: ErrorClass | null): DestroyReason | null {
  switch (errorClass) {
    case 'timeout':
      return 'timeout';
    case 'out_of_memory':
    case 'crashed':
      return 'crashed';
    case 'internal':
    case 'start_failed':
      return 'failed';
    default:
      return null;
  }
}
