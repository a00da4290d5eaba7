import type { CreationPolicy } from './creation/creation-policy.js';
import type { Admission } from './engine/admission.js';
import type { ExistingContainer } from './engine/adoption.js';
import { type AssembledEngine, assembleEngine } from './engine/assemble.js';
import type { ContainerSupply } from './engine/container-supply.js';
import type { Counters } from './engine/counters.js';
import type { DeviceEvents } from './engine/device-events.js';
import type { EngineLoads } from './engine/device-loads.js';
import type { DueWork } from './engine/due-work.js';
import type { FunctionEntry } from './engine/function-entry.js';
import type { FunctionTable } from './engine/function-table.js';
import { violations } from './engine/invariants.js';
import type { InvocationEntry } from './engine/invocation-entry.js';
import type { MemoryReadings } from './engine/memory-readings.js';
import type { AdjustableOptions, EngineOptions } from './engine/options.js';
import type { Prewarmer, PrewarmSink } from './engine/prewarmer.js';
import type { Pump } from './engine/pump.js';
import type { Settlement } from './engine/settlement.js';
import { type EngineStatus, estimateSeconds, statusOf } from './engine/status.js';
import type { Termination } from './engine/termination.js';
import { IluvatarError } from './errors.js';
import type { Device, FunctionSpec } from './function.js';
import type { FunctionRecord } from './function-record.js';
import type { Invocation, InvocationSink, Outcome, Payload } from './invocation.js';
import type { Container } from './pool/container.js';
import type { ContainerEntry } from './pool/container-entry.js';
import type { ContainerPool } from './pool/container-pool.js';
import type { EvictionPolicy } from './pool/eviction/eviction-policy.js';
import type { ContainerFailure } from './ports.js';
import type { Oversubscription } from './resources/oversubscription.js';

/**
 * The engine: a synchronous state machine that decides everything about invocations and containers and does nothing itself. Events are its methods,
 * commands go out through `ContainerPort`, time comes from its `Clock`. Each event is handled to its end before the method returns. Commands and
 * `InvocationSink.settled` may call back into the engine.
 *
 * The owner calls `tick` when `nextDeadline` has come; nothing else in here depends on time passing.
 */
export class Engine {
  readonly counters: Counters;
  readonly #o: EngineOptions;
  readonly #totals: { queued: number };
  readonly #pool: ContainerPool;
  readonly #settlement: Settlement;
  readonly #supply: ContainerSupply;
  readonly #pump: Pump;
  readonly #creation: CreationPolicy;
  readonly #admission: Admission;
  readonly #prewarmer: Prewarmer;
  readonly #termination: Termination;
  readonly #functions: FunctionTable;
  readonly #loads: EngineLoads;
  readonly #due: DueWork;
  readonly #deviceEvents: DeviceEvents;
  readonly #memory: MemoryReadings;
  readonly #oversubscription: Oversubscription | null;
  readonly #parts: AssembledEngine;
  #state: 'running' | 'draining' | 'stopping' = 'running';
  #onEmpty: (() => void) | null = null;

  constructor(options: EngineOptions) {
    const parts = assembleEngine(options);
    this.#o = parts.options;
    this.#parts = parts;
    this.counters = parts.counters;
    // One by one: a private field is read without looking anything up.
    this.#pool = parts.pool;
    this.#settlement = parts.settlement;
    this.#supply = parts.supply;
    this.#pump = parts.pump;
    this.#creation = parts.creation;
    this.#admission = parts.admission;
    this.#prewarmer = parts.prewarmer;
    this.#termination = parts.termination;
    this.#functions = parts.functions;
    this.#loads = parts.loads;
    this.#due = parts.due;
    this.#deviceEvents = parts.deviceEvents;
    this.#memory = parts.memory;
    this.#oversubscription = parts.oversubscription;
    this.#totals = parts.totals;
    this.#learnArrivals(parts.pool.evictions.map(({ policy }) => policy));
  }

  /** Invocations accepted and not answered yet. */
  get open(): number {
    return this.#settlement.open;
  }

  /** Throws IluvatarError: `invalid` for what could never run here, `conflict` when the name and version are taken, `unavailable` when draining. */
  register(spec: FunctionSpec): FunctionRecord {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the worker is ${this.#state}`);
    const fn = this.#functions.add(spec);
    if (fn.needsAddress) this.#learnArrivals(this.#pool.separateAddressed());
    return fn;
  }

  /**
   * The function is gone: what waits is answered `unavailable`, what runs goes on to its end, and its containers go. False = there is none of this key.
   */
  unregister(key: string): boolean {
    const fn = this.#functions.remove(key);
    if (fn === null) return false;
    this.#o.dispatch.forget(fn);
    for (const { policy } of this.#pool.evictions) policy.forget?.(fn);
    this.#termination.functionRemoved(fn, this.#o.clock.now());
    this.#forgetIfGone(fn);
    this.#pump.run();
    return true;
  }

  /**
   * Accepts an invocation. What it cannot accept (not registered any more, draining, queue full) it settles before it returns, as it does what ends
   * at once. `timeoutMs` 0 = the function's own. Never throws.
   */
  invoke(record: FunctionRecord, payload: Payload, timeoutMs: number, tid: string, sink: InvocationSink): Invocation {
    const refusal = this.#state === 'running' ? null : `the worker is ${this.#state}`;
    return this.#admission.invoke(record as FunctionEntry, payload, timeoutMs, tid, sink, refusal);
  }

  /** Its caller has left: one that does not run yet is dropped, if so configured, and settled `cancelled`; one that runs goes on. */
  abandon(invocation: Invocation): void {
    const entry = invocation as InvocationEntry;
    if (!this.#o.dropAbandoned || entry.phase === 'running' || entry.phase === 'settled') return;
    this.#termination.withdraw(entry);
    this.#settlement.fail(entry, 'cancelled', 'its caller left before it ran', null, this.#o.clock.now());
    this.#pump.run();
  }

  /**
   * Creates `count` more containers of a function, ready before anyone asks. The sink is told once, when all are ready or have failed. Throws `invalid`
   * when they would not all fit, `unavailable` when draining. `device`: the function's first when absent.
   */
  prewarm(record: FunctionRecord, count: number, sink: PrewarmSink, device?: Device): void {
    const fn = record as FunctionEntry;
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the worker is ${this.#state}`);
    if (fn.removed) throw new IluvatarError('not_found', `${fn.key} is not registered`);
    this.#prewarmer.ask(fn, count, sink, device ?? (fn.devices[0] as Device), this.#o.memoryMb);
    this.#pump.run();
  }

  /** A container that exists already: idle at once, and warm. Null = it cannot be had here, and stays the caller's to destroy. */
  adopt(record: FunctionRecord, existing: ExistingContainer): Container | null {
    if (this.#state !== 'running') return null;
    const container = this.#parts.adoption.take(record as FunctionEntry, existing, this.#o.clock.now());
    this.#pump.run();
    return container;
  }

  /** The answer to `ContainerPort.create`: it can run. */
  containerReady(container: Container): void {
    const entry = container as ContainerEntry;
    if (entry.phase !== 'creating') return;
    const now = this.#o.clock.now();
    const { lane, pending, prewarm } = entry;
    const { scheduler } = lane;
    this.#creation.succeeded(entry, lane);
    if (pending !== null) {
      entry.pending = null;
      scheduler.rejoin(pending);
    }
    entry.state = lane.oldestStarting === null ? 'prewarm' : 'cold';
    this.#pool.ready(entry, now);
    scheduler.offer(lane, now);
    entry.prewarm = null;
    if (prewarm !== null) this.#prewarmer.ended(prewarm, null);
    this.#supply.keepBuffer();
    this.#pump.run();
  }

  /** The other answer to `ContainerPort.create`: it will never run, and nothing of it is left. */
  containerFailed(container: Container, failure: ContainerFailure): void {
    const entry = container as ContainerEntry;
    if (entry.phase !== 'creating') return;
    this.counters.containersFailed++;
    this.#gone(entry);
    this.#termination.creationFailed(entry, failure, this.#o.clock.now());
    this.#pump.run();
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
      this.#termination.creationFailed(entry, failure, now);
    } else this.#termination.containerLost(entry, failure, 'crashed', now);
    this.#pump.run();
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
    const { lane } = home;
    lane.scheduler.endRun(entry, home);
    this.#termination.judge(home, outcome.errorClass);
    const outgrown = outcome.overMb !== undefined && outcome.overMb > 0 && this.#memory.note(home, outcome.overMb);
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
    } else if (lane.oldestStarting !== null || lane.waiting.head !== null) lane.scheduler.offer(lane, now);
    if (this.#o.bufferMb > 0 || outgrown || this.#pool.budget.exceeded) this.#supply.keepBuffer();
    if (this.#totals.queued > 0 || this.#prewarmer.pending > 0) this.#pump.run();
  }

  /** The answer to `ContainerPort.destroy`: its memory is free. */
  containerGone(container: Container): void {
    const entry = container as ContainerEntry;
    if (entry.phase !== 'destroying') return;
    this.#gone(entry);
    for (const lane of entry.fn.lanes) lane.scheduler.line.wake(lane);
    this.#pump.run();
    this.#checkEmpty();
  }

  /**
   * Measured memory of a container and the page cache it caused beside that, MiB. It never changes a reservation; under the memory policy `grow`, a container that
   * uses more than its own is replaced, as soon as it runs nothing.
   */
  measured(container: Container, mb: number, pageCacheMb = 0): void {
    const entry = container as ContainerEntry;
    entry.fn.stats.pageCache.add(pageCacheMb);
    if (!this.#memory.note(entry, mb)) return;
    this.#memory.follow(entry);
    this.#pump.run();
  }

  /** The host is short of memory. Evicts up to so many idle containers; returns how many. */
  memoryPressure(most: number): number {
    return this.#memory.relieve(most);
  }

  get idleContainers(): number {
    return this.#pool.cachedCount;
  }

  /** A GPU has failed or been taken away, with every container on it. */
  gpuLost(index: number): void {
    this.#deviceEvents.lost(index, this.#o.clock.now());
    this.#pump.run();
    this.#checkEmpty();
  }

  /** It is there again. */
  gpuFound(index: number): void {
    this.#deviceEvents.found(index, this.#o.clock.now());
    this.#pump.run();
  }

  /** A reading of a GPU's utilisation, percent. `nextDeadline` may be nearer after it. */
  gpuUtilization(index: number, percent: number): void {
    this.#deviceEvents.utilization(index, percent, this.#o.clock.now());
    this.#pump.run();
  }

  /** A reading of the machine's load average per core; more or fewer CPU slots follow, if so configured. */
  cpuLoad(perCore: number): void {
    this.#oversubscription?.reading(perCore);
    this.#pump.run();
  }

  /**
   * Other limits from now on. What is reserved or queued beyond them is not taken back, but idle containers go. Throws `invalid`, with nothing changed, when a registered
   * function would not fit any more.
   */
  adjust(limits: AdjustableOptions): void {
    this.#functions.assertFit(limits.memoryMb);
    Object.assign(this.#o, limits);
    this.#pool.budget.resize(limits.memoryMb);
    this.#supply.keepBuffer();
    this.#pump.run();
  }

  /** There are so many network addresses for containers from now on. Those held beyond are not taken back: they are missed when they come free. */
  addressesAvailable(count: number): void {
    this.#pool.addresses.resize(count);
    this.#pump.run();
  }

  /** Does what is due: time-outs, back-offs that are over, and expired containers. To be called when `nextDeadline` has come; harmless at any other time. */
  tick(): void {
    this.#due.tick(this.#o.clock.now(), this.#state === 'running');
    this.#pump.run();
  }

  /** When `tick` is needed next; µs of the clock, Infinity = never. It may be early and is never late. O(devices). */
  nextDeadline(): number {
    return this.#due.next();
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
    return statusOf(this.#state, this.#parts, this.#functions.size);
  }

  /**
   * Expected seconds until each would be answered if all were asked for now, in this order; 0 = not registered or never seen. What is queued and what this request
   * itself adds is waited for, as far as there are not enough CPU slots.
   */
  estimate(functions: readonly (FunctionRecord | null)[]): number[] {
    return estimateSeconds(functions as readonly (FunctionEntry | null)[], this.#parts, this.#loads);
  }

  /** What is wrong with the books, as sentences; empty when all is well. Walks over everything: for tests and the simulator. */
  checkInvariants(): string[] {
    return violations(this.#functions.all(), this.#parts, this.#settlement);
  }

  #learnArrivals(policies: readonly EvictionPolicy[]): void {
    for (const policy of policies)
      if (policy.arrived !== undefined) this.#parts.arrived.push(policy.arrived.bind(policy));
  }

  #gone(container: ContainerEntry): void {
    const { fn } = container;
    this.#pool.gone(container);
    this.#creation.ended(container);
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

export { type AdjustableOptions, type EngineOptions, silentLog } from './engine/options.js';
export type { PrewarmSink } from './engine/prewarmer.js';
export type { BackendStatus, EngineStatus, GpuStatus, QueueStatus } from './engine/status.js';
