import type { DeviceLoads } from './dispatch/dispatch-policy.js';
import { ContainerSupply } from './engine/container-supply.js';
import { Counters } from './engine/counters.js';
import { DeadlineWheel } from './engine/deadline-wheel.js';
import type { FunctionEntry } from './engine/function-entry.js';
import { FunctionTable } from './engine/function-table.js';
import { type EngineStatus, estimateSeconds, statusOf, violations } from './engine/introspection.js';
import { InvocationEntry } from './engine/invocation-entry.js';
import type { EngineOptions } from './engine/options.js';
import { Prewarmer, type PrewarmSink } from './engine/prewarmer.js';
import { Scheduler } from './engine/scheduler.js';
import { Settlement } from './engine/settlement.js';
import { Termination } from './engine/termination.js';
import { IluvatarError } from './errors.js';
import type { FunctionSpec } from './function.js';
import type { FunctionRecord } from './function-record.js';
import type { Invocation, InvocationSink, Outcome, Payload } from './invocation.js';
import type { Container } from './pool/container.js';
import type { ContainerEntry } from './pool/container-entry.js';
import { ContainerPool } from './pool/container-pool.js';
import type { ContainerFailure } from './ports.js';
import { CpuSlots } from './resources/cpu-slots.js';
import { MemoryBudget } from './resources/memory-budget.js';

/**
 * The engine: a synchronous state machine that decides everything about invocations and containers and does nothing itself. Events are its methods,
 * commands go out through `ContainerPort`, time comes from its `Clock`. Each event is handled to its end before the method returns. Commands and
 * `InvocationSink.settled` may call back into the engine.
 *
 * The owner calls `tick` when `nextDeadline` has come; nothing else in here depends on time passing.
 */
export class Engine {
  readonly counters = new Counters();
  readonly #o: EngineOptions;
  readonly #wheel = new DeadlineWheel();
  readonly #slots: CpuSlots;
  readonly #pool: ContainerPool;
  readonly #settlement: Settlement;
  readonly #supply: ContainerSupply;
  readonly #scheduler: Scheduler;
  readonly #prewarmer: Prewarmer;
  readonly #termination: Termination;
  readonly #functions: FunctionTable;
  readonly #loads: DeviceLoads;
  #lastInvocation = 0;
  #state: 'running' | 'draining' | 'stopping' = 'running';
  #onEmpty: (() => void) | null = null;

  constructor(options: EngineOptions) {
    this.#o = options;
    this.#slots = new CpuSlots(options.cpuSlots);
    this.#pool = new ContainerPool(new MemoryBudget(options.memoryMb), options.eviction(-1));
    this.#functions = new FunctionTable(options, this.#slots);
    this.#settlement = new Settlement(this.#wheel, this.counters, options.dispatch);
    const { queues, port, journal, log, queueLimit, bufferMb, clock } = options;
    this.#supply = new ContainerSupply(this.#pool, port, journal, log, this.counters, bufferMb);
    this.#scheduler = new Scheduler({
      queue: queues.cpu,
      port,
      queueLimit,
      pool: this.#pool,
      slots: this.#slots,
      supply: this.#supply,
      now: () => clock.now(),
    });
    const scheduler = this.#scheduler;
    // One queue serves every device there is.
    this.#loads = {
      queuedUs: () => scheduler.queuedUs,
      queueLength: () => scheduler.queued,
      queuedOf: (fn) => fn.queued,
      completionUs: (fn, device) => scheduler.queuedUs / options.cpuSlots + fn.stats.of(device).expectedUs('warm'),
      parallelism: () => options.cpuSlots,
      throughput: () => 0,
      hitProbability: (fn) => (fn.containers > 0 ? 0.99 : 0.01),
      activeFunctions: () => 0,
    };
    this.#prewarmer = new Prewarmer(this.#scheduler, this.#supply, () => this.#pool.leavingMb);
    this.#scheduler.afterRound = (memoryIsAwaited) => this.#prewarmer.serve(memoryIsAwaited);
    this.#termination = new Termination(
      this.#scheduler,
      this.#supply,
      this.#settlement,
      this.#prewarmer,
      this.#pool,
      this.counters,
    );
  }

  /** Invocations accepted and not answered yet. */
  get open(): number {
    return this.#settlement.open;
  }

  /** Throws IluvatarError: `invalid` for what could never run here, `conflict` when the name and version are taken, `unavailable` when draining. */
  register(spec: FunctionSpec): FunctionRecord {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the worker is ${this.#state}`);
    const fn = this.#functions.add(spec);
    this.#o.journal.functionRegistered(fn.key);
    return fn;
  }

  /**
   * The function is gone: what waits is answered `unavailable`, what runs goes on to its end, and its containers go. False = there is none of this key.
   */
  unregister(key: string): boolean {
    const fn = this.#functions.remove(key);
    if (fn === null) return false;
    this.#o.journal.functionUnregistered(key);
    this.#o.dispatch.forget(fn);
    this.#termination.functionRemoved(fn, this.#o.clock.now());
    this.#forgetIfGone(fn);
    this.#scheduler.pump();
    return true;
  }

  /**
   * Accepts an invocation. What it cannot accept (not registered any more, draining, queue full) it settles before it returns, as it does what ends
   * at once. `timeoutMs` 0 = the function's own. Never throws.
   */
  invoke(record: FunctionRecord, payload: Payload, timeoutMs: number, tid: string, sink: InvocationSink): Invocation {
    const fn = record as FunctionEntry;
    const now = this.#o.clock.now();
    const device =
      fn.devices.length === 1
        ? (fn.devices[0] as 'cpu')
        : (this.#o.dispatch.choose(fn, fn.devices, this.#loads, now) as 'cpu');
    const deadline = now + (timeoutMs > 0 ? timeoutMs : fn.spec.timeoutMs) * 1000;
    const invocation = new InvocationEntry(++this.#lastInvocation, fn, device, tid, payload, sink, now, deadline);
    this.counters.invocations++;
    this.#settlement.open++;
    if (fn.lastArrival >= 0) fn.stats.interArrival.add(now - fn.lastArrival);
    fn.lastArrival = now;
    if (this.#state !== 'running') {
      this.#settlement.fail(invocation, 'unavailable', `the worker is ${this.#state}`, null, now);
    } else if (fn.removed) {
      this.#settlement.fail(invocation, 'not_found', `${fn.key} is not registered`, null, now);
    } else {
      this.#wheel.add(invocation, deadline);
      if (!this.#scheduler.submit(invocation, now)) this.#refuse(invocation, now);
    }
    return invocation;
  }

  /** Its caller has left: one that does not run yet is dropped, if so configured, and settled `cancelled`; one that runs goes on. */
  abandon(invocation: Invocation): void {
    const entry = invocation as InvocationEntry;
    if (!this.#o.dropAbandoned || entry.phase === 'running' || entry.phase === 'settled') return;
    this.#termination.withdraw(entry);
    this.#settlement.fail(entry, 'cancelled', 'its caller left before it ran', null, this.#o.clock.now());
    this.#scheduler.pump();
  }

  /**
   * Creates `count` more containers of a function, ready before anyone asks. The sink is told once, when all are ready or have failed. Throws `invalid`
   * when they would not all fit, `unavailable` when draining.
   */
  prewarm(record: FunctionRecord, count: number, sink: PrewarmSink): void {
    const fn = record as FunctionEntry;
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the worker is ${this.#state}`);
    if (fn.removed) throw new IluvatarError('not_found', `${fn.key} is not registered`);
    const total = fn.containers + count;
    const { memoryMb } = this.#o;
    if (total * fn.spec.memoryMb > memoryMb) {
      const needMb = total * fn.spec.memoryMb;
      throw new IluvatarError('invalid', `${total} containers of ${fn.key} need ${needMb} MiB; there are ${memoryMb}`);
    }
    if (total > fn.maxContainers) {
      const text = `${fn.key} may have ${fn.maxContainers} containers, not ${total}`;
      throw new IluvatarError('invalid', text);
    }
    this.#prewarmer.request(fn, count, sink);
    this.#scheduler.pump();
  }

  /** The answer to `ContainerPort.create`: it can run. */
  containerReady(container: Container): void {
    const entry = container as ContainerEntry;
    if (entry.phase !== 'creating') return;
    const now = this.#o.clock.now();
    const { fn, pending, prewarm } = entry;
    if (pending !== null) {
      entry.pending = null;
      this.#scheduler.rejoin(pending);
    }
    entry.state = fn.oldestStarting === null ? 'prewarm' : 'cold';
    this.#pool.ready(entry, now);
    this.#scheduler.offer(fn, now);
    entry.prewarm = null;
    if (prewarm !== null) this.#prewarmer.ended(prewarm, null);
    this.#supply.keepBuffer();
    this.#scheduler.pump();
  }

  /** The other answer to `ContainerPort.create`: it will never run, and nothing of it is left. */
  containerFailed(container: Container, failure: ContainerFailure): void {
    const entry = container as ContainerEntry;
    if (entry.phase !== 'creating') return;
    this.counters.containersFailed++;
    this.#gone(entry);
    this.#termination.creationLost(entry, failure, this.#o.clock.now());
    this.#scheduler.pump();
    this.#checkEmpty();
  }

  /** It died on its own, with everything it was running. It is still destroyed through the port. */
  containerExited(container: Container, failure: ContainerFailure): void {
    const entry = container as ContainerEntry;
    if (entry.phase === 'destroying') return;
    const now = this.#o.clock.now();
    if (entry.phase === 'creating') {
      this.counters.containersFailed++;
      this.#supply.destroy(entry, 'failed');
      this.#termination.creationLost(entry, failure, now);
    } else this.#termination.containerLost(entry, failure, 'crashed', now);
    this.#scheduler.pump();
  }

  /** The answer to `ContainerPort.run`. One that comes too late is counted and its payload discarded. */
  completed(container: Container, invocation: Invocation, outcome: Outcome): void {
    const entry = invocation as InvocationEntry;
    const home = container as ContainerEntry;
    if (entry.phase !== 'running' || entry.container !== home) {
      this.counters.lateResults++;
      this.#o.discard(outcome.payload);
      return;
    }
    const now = this.#o.clock.now();
    this.#scheduler.endRun(entry, home);
    this.#termination.judge(home, outcome.errorClass);
    this.#pool.giveBack(home, now);
    if (entry.containerState === 'warm') this.counters.warm++;
    else if (entry.containerState === 'prewarm') this.counters.prewarm++;
    else this.counters.cold++;
    if (entry.overdue && outcome.errorClass !== 'timeout') {
      this.#o.discard(outcome.payload);
      this.#termination.failOverdue(entry, outcome.details, now);
    } else this.#settlement.settle(entry, outcome, now);
    if (home.doomed !== null) {
      if (home.active === 0) this.#supply.destroy(home, home.doomed);
    } else if (entry.fn.oldestStarting !== null || entry.fn.waiting.head !== null) {
      this.#scheduler.offer(entry.fn, now);
    }
    if (this.#o.bufferMb > 0) this.#supply.keepBuffer();
    if (this.#scheduler.queued > 0 || this.#prewarmer.pending > 0) this.#scheduler.pump();
  }

  /** The answer to `ContainerPort.destroy`: its memory is free. */
  containerGone(container: Container): void {
    const entry = container as ContainerEntry;
    if (entry.phase !== 'destroying') return;
    this.#gone(entry);
    this.#scheduler.wake(entry.fn);
    this.#scheduler.pump();
    this.#checkEmpty();
  }

  /** Measured memory of a container, MiB. It informs and never changes a reservation. */
  measured(container: Container, mb: number): void {
    const entry = container as ContainerEntry;
    entry.measuredMb = mb;
    entry.fn.stats.memory.add(mb);
  }

  /** Does what is due: time-outs and expired containers. To be called when `nextDeadline` has come; harmless at any other time. */
  tick(): void {
    const now = this.#o.clock.now();
    for (const invocation of this.#wheel.takeDue(now)) this.#overdue(invocation, now);
    const { eviction } = this.#pool;
    for (let old = eviction.expired(now); old !== null; old = eviction.expired(now)) {
      this.#supply.destroy(old as ContainerEntry, 'expired');
    }
    this.#scheduler.pump();
  }

  /** When `tick` is needed next; µs of the clock, Infinity = never. It may be early and is never late. O(1). */
  nextDeadline(): number {
    return Math.min(this.#wheel.next, this.#pool.eviction.nextExpiry());
  }

  /** Destroys every idle container; returns how many. */
  clean(): number {
    return this.#termination.destroyIdle('clean');
  }

  /** Accepts nothing new; `done` is called once, when everything accepted before has been answered (at once if there is nothing). */
  drain(done: () => void): void {
    if (this.#state === 'running') this.#state = 'draining';
    this.#prewarmer.giveUp(null, 'the worker is draining');
    const { onQuiet } = this.#settlement;
    this.#settlement.onQuiet = () => {
      this.#settlement.onQuiet = null;
      onQuiet?.();
      done();
    };
    if (this.open === 0) this.#settlement.onQuiet();
  }

  /** Ends everything: what is open is answered `unavailable`, every container is destroyed; `done` is called when the last is gone. */
  stop(done: () => void): void {
    this.#state = 'stopping';
    const before = this.#onEmpty;
    this.#onEmpty = () => {
      before?.();
      done();
    };
    this.#termination.everything(this.#functions.all(), this.#o.clock.now());
    this.#checkEmpty();
  }

  status(): EngineStatus {
    return statusOf(
      this.#state,
      this.#o,
      this.#scheduler,
      this.#pool,
      this.#slots,
      this.#functions.size,
      this.counters,
    );
  }

  /**
   * Expected seconds until each would be answered if all were asked for now, in this order; 0 = not registered or never seen. What is queued and what this request
   * itself adds is waited for, as far as there are not enough CPU slots.
   */
  estimate(functions: readonly (FunctionRecord | null)[]): number[] {
    const { queuedUs, queued } = this.#scheduler;
    return estimateSeconds(functions as readonly (FunctionEntry | null)[], this.#slots, queued, queuedUs);
  }

  /** What is wrong with the books, as sentences; empty when all is well. Walks over everything: for tests and the simulator. */
  checkInvariants(): string[] {
    return violations(this.#functions.all(), this.#o, this.#scheduler, this.#pool, this.#slots, this.#settlement);
  }

  #refuse(invocation: InvocationEntry, now: number): void {
    const { fn } = invocation;
    const ownBound = fn.queued >= fn.queueLimit;
    const waiting = ownBound ? fn.queued : this.#scheduler.queued;
    const interval = this.#settlement.throughput.intervalUs(now);
    // When what waits now will have left at the present pace; a second while there is no pace to go by.
    const retryAfterMs = interval === 0 ? 1000 : Math.min(60_000, Math.max(1, Math.ceil((waiting * interval) / 1000)));
    const whose = ownBound ? `the queue of ${fn.key}` : 'the queue of the worker';
    const limit = ownBound ? fn.queueLimit : this.#o.queueLimit;
    const message = `${whose} is full (${limit}); try again in ${retryAfterMs} ms`;
    this.#settlement.fail(invocation, 'overloaded', message, { retryAfterMs }, now);
  }

  #overdue(invocation: InvocationEntry, now: number): void {
    if (invocation.phase === 'settled') return;
    const { container } = invocation;
    if (invocation.phase !== 'running' || container === null) {
      const where = invocation.phase === 'queued' ? 'in the queue' : 'while its container was being created';
      this.#termination.withdraw(invocation);
      this.#settlement.fail(invocation, 'timeout', `its time passed ${where}`, null, now);
      return;
    }
    if (invocation.overdue) {
      this.#termination.takeAway(container, invocation, now);
      return;
    }
    // The agent may still answer, with a traceback of where the time went; the container gets nothing new and goes either way.
    invocation.overdue = true;
    this.#pool.withdraw(container);
    container.doomed ??= 'timeout';
    this.#wheel.add(invocation, now + this.#o.cancelGraceUs);
    this.#o.port.cancel(container, invocation, 'timeout');
  }

  #gone(container: ContainerEntry): void {
    const { fn } = container;
    this.#pool.gone(container);
    this.#o.journal.containerRemoved(container);
    this.#forgetIfGone(fn);
  }

  #forgetIfGone(fn: FunctionEntry): void {
    if (fn.removed && fn.containers === 0) this.#functions.release(fn);
  }

  #checkEmpty(): void {
    if (this.#onEmpty === null || this.#pool.all.size > 0) return;
    const done = this.#onEmpty;
    this.#onEmpty = null;
    done();
  }
}

export type { EngineStatus } from './engine/introspection.js';
export { type EngineOptions, nullJournal, silentLog } from './engine/options.js';
export type { PrewarmSink } from './engine/prewarmer.js';
