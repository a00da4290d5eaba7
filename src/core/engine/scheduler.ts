import type { ContainerEntry } from '../pool/container-entry.js';
import type { ContainerPool } from '../pool/container-pool.js';
import type { ContainerPort } from '../ports.js';
import type { QueuePolicy } from '../queue/queue-policy.js';
import type { CpuSlots } from '../resources/cpu-slots.js';
import type { ContainerSupply } from './container-supply.js';
import type { FunctionEntry } from './function-entry.js';
import type { InvocationEntry } from './invocation-entry.js';

/** What the scheduler works with. */
export interface SchedulerParts {
  readonly queue: QueuePolicy;
  readonly pool: ContainerPool;
  readonly slots: CpuSlots;
  readonly port: ContainerPort;
  readonly supply: ContainerSupply;
  readonly queueLimit: number;
  readonly now: () => number;
}

type Placement = 'placed' | 'no slots' | 'no memory' | 'no place';

/**
 * Gives queued invocations CPU slots and a container. The queue policy's choice goes first and what it lacks is waited for: nothing overtakes
 * a head that lacks CPU slots or memory, so a large one cannot starve. One thing is not waited for at the head: a place in a function that has all the
 * containers it may have. Such an invocation moves to its function's own wait list, and back to the policy, one at a time and oldest first, as
 * places come free; so one busy function never blocks the others, and within a function the order stays that of arrival.
 *
 * While a container is created for an invocation it is `starting` and holds its CPU slots, but it is not bound to that container: whichever container of its
 * function can take an invocation first takes the oldest. No more are created than there are invocations that need one.
 */
export class Scheduler {
  queued = 0;
  /** Expected work of everything queued; µs of one CPU slot. */
  queuedUs = 0;
  starting = 0;
  running = 0;
  /** Called after each round with true when the head of the queue waits for memory: others that want memory then wait too. */
  afterRound: (memoryIsAwaited: boolean) => void = () => {};
  readonly #p: SchedulerParts;
  readonly #queue: QueuePolicy;
  readonly #pool: ContainerPool;
  readonly #slots: CpuSlots;
  readonly #supply: ContainerSupply;
  #busy = false;
  #again = false;

  constructor(parts: SchedulerParts) {
    this.#p = parts;
    this.#queue = parts.queue;
    this.#pool = parts.pool;
    this.#slots = parts.slots;
    this.#supply = parts.supply;
  }

  /** Runs it, starts a container for it, or queues it. False: there is no room in the queue, and it is in none. */
  submit(invocation: InvocationEntry, now: number): boolean {
    const fn = invocation.fn;
    if (this.queued === 0 && this.#queue.bypassWhenEmpty && fn.oldestStarting === null) {
      const container = fn.available.head;
      if (container !== null && this.#slots.tryTake(fn.milliSlots)) {
        invocation.attempts = 1;
        this.#run(invocation, container, now);
        return true;
      }
    }
    const limit = this.#p.queueLimit;
    // A limit of 0 means that nothing may wait, not that nothing may start: only a place tried for in vain is a refusal. Submitted from inside a
    // command, it cannot be tried at once, and the bound counts it as waiting.
    if ((this.queued >= limit && this.queued > 0) || (fn.queued >= fn.queueLimit && fn.queued > 0)) return false;
    this.#enqueue(invocation, false);
    this.pump();
    if (invocation.phase !== 'queued' || (this.queued <= limit && fn.queued <= fn.queueLimit)) return true;
    this.leaveQueue(invocation);
    this.pump();
    return false;
  }

  /** One that was placed before and has to be placed anew. */
  resubmit(invocation: InvocationEntry): void {
    invocation.phase = 'queued';
    invocation.dispatchedAt = 0;
    invocation.runningAt = 0;
    invocation.container = null;
    invocation.containerState = null;
    this.#enqueue(invocation, true);
  }

  /** Takes it out of the queue policy or its function's wait list. */
  leaveQueue(invocation: InvocationEntry): void {
    const fn = invocation.fn;
    if (invocation.place === 'policy') this.#leavePolicy(invocation);
    else fn.waiting.remove(invocation);
    invocation.place = 'nowhere';
    this.queued--;
    fn.queued--;
    this.queuedUs = this.queued === 0 ? 0 : this.queuedUs - invocation.expectedUs;
    this.wake(fn);
  }

  /** Takes it from the ones whose container is being created, with its CPU slots; the container becomes another one's, or nobody's. */
  leaveStarting(invocation: InvocationEntry): void {
    this.#unstart(invocation);
    this.#slots.release(invocation.fn.milliSlots);
    this.#queue.ended(invocation, this.#p.now());
    this.#claim(invocation.fn);
    this.wake(invocation.fn);
  }

  /** It has ended on its container, or goes back to the queue. */
  endRun(invocation: InvocationEntry, container: ContainerEntry): void {
    container.runs.remove(invocation);
    invocation.place = 'nowhere';
    invocation.fn.running--;
    this.running--;
    this.#slots.release(invocation.fn.milliSlots);
    this.#queue.ended(invocation, this.#p.now());
  }

  /** A container of this function may be able to take something: those whose container is being created come first. */
  offer(fn: FunctionEntry, now: number): void {
    for (;;) {
      const container = fn.available.head;
      const invocation = container === null ? null : fn.oldestStarting;
      if (container === null || invocation === null) break;
      this.#unstart(invocation);
      this.#run(invocation, container, now);
    }
    this.#claim(fn);
    this.wake(fn);
  }

  /**
   * One container that was being created is lost. Those that counted on it get another, or go back to the queue when there is no memory.
   * To be followed by `pump`.
   */
  recover(fn: FunctionEntry): void {
    // An answer raised from inside a command must not place others between the memory being made free and being taken.
    const wasBusy = this.#busy;
    this.#busy = true;
    this.#claim(fn);
    while (fn.sparePlaces < 0) {
      const invocation = fn.joined.head as InvocationEntry;
      fn.joined.remove(invocation);
      if (fn.containers < fn.maxContainers && this.#supply.makeRoom(fn, null)) {
        this.#create(fn, invocation);
        continue;
      }
      this.starting--;
      this.#slots.release(fn.milliSlots);
      this.#queue.ended(invocation, this.#p.now());
      this.resubmit(invocation);
    }
    this.wake(fn);
    this.#busy = wasBusy;
  }

  /** Its container was lost while being created; it stays `starting`, and `recover` finds it another. */
  rejoin(invocation: InvocationEntry): void {
    const { fn } = invocation;
    fn.starting.remove(invocation);
    invocation.creation = null;
    invocation.place = 'joined';
    fn.joined.insertInOrder(invocation);
  }

  /** If the function has a place again, its oldest waiting invocation may be chosen again. */
  wake(fn: FunctionEntry): void {
    const invocation = fn.waiting.head;
    if (invocation === null || fn.woken !== null || !fn.hasPlace) return;
    fn.waiting.remove(invocation);
    fn.woken = invocation;
    invocation.place = 'policy';
    fn.choosable.push(invocation);
    this.#queue.requeue(invocation, this.#p.now());
  }

  /** Places what can be placed. Called again from inside itself (an answer raised by a command) it only notes that there is more to do. */
  pump(): void {
    if (this.#busy) {
      this.#again = true;
      return;
    }
    this.#busy = true;
    try {
      do {
        this.#again = false;
        this.afterRound(this.#round());
      } while (this.#again);
    } finally {
      this.#busy = false;
    }
  }

  /** A container for nobody in particular, though one that waits without a creation of its own may claim it. The caller has made room. */
  createUnclaimed(fn: FunctionEntry): ContainerEntry | null {
    const container = this.#pool.reserve(fn, this.#p.now());
    if (container === null) return null;
    fn.unclaimed.push(container);
    this.#claim(fn);
    return container;
  }

  #round(): boolean {
    for (;;) {
      const invocation = this.#queue.choose(-1, this.#p.now()) as InvocationEntry | null;
      if (invocation === null) return false;
      const placement = this.#place(invocation);
      if (placement === 'no slots') return false;
      if (placement === 'no memory') return true;
      if (placement === 'no place') this.#park(invocation);
    }
  }

  #place(invocation: InvocationEntry): Placement {
    const { fn } = invocation;
    const elder = fn.woken ?? fn.waiting.head;
    if (!fn.hasPlace || (elder !== null && elder.id < invocation.id)) return 'no place';
    if (!this.#slots.tryTake(fn.milliSlots)) return 'no slots';
    const now = this.#p.now();
    const container = fn.available.head;
    if (container !== null) {
      this.#dispatched(invocation, now);
      this.#run(invocation, container, now);
      return 'placed';
    }
    if (fn.sparePlaces > 0) {
      this.#dispatched(invocation, now);
      this.#start(invocation);
      invocation.place = 'joined';
      fn.joined.insertInOrder(invocation);
      this.#claim(fn);
      return 'placed';
    }
    if (!this.#supply.makeRoom(fn, null)) {
      this.#slots.release(fn.milliSlots);
      return 'no memory';
    }
    this.#dispatched(invocation, now);
    this.#start(invocation);
    this.#create(fn, invocation);
    return 'placed';
  }

  #dispatched(invocation: InvocationEntry, now: number): void {
    invocation.dispatchedAt = now;
    invocation.attempts++;
    this.leaveQueue(invocation);
  }

  #park(invocation: InvocationEntry): void {
    this.#leavePolicy(invocation);
    invocation.place = 'waiting';
    invocation.fn.waiting.insertInOrder(invocation);
    this.wake(invocation.fn);
  }

  #enqueue(invocation: InvocationEntry, again: boolean): void {
    const { fn } = invocation;
    this.queued++;
    fn.queued++;
    invocation.place = 'policy';
    fn.choosable.push(invocation);
    if (again) {
      this.queuedUs += invocation.expectedUs;
      this.#queue.requeue(invocation, this.#p.now());
      return;
    }
    const expectedUs = fn.stats.of(invocation.device).expectedUs(fn.available.head?.state ?? 'cold');
    invocation.expectedUs = (expectedUs * fn.milliSlots) / 1000;
    this.queuedUs += invocation.expectedUs;
    this.#queue.push(invocation, expectedUs, this.#p.now());
  }

  #leavePolicy(invocation: InvocationEntry): void {
    const { fn } = invocation;
    this.#queue.remove(invocation);
    fn.choosable.remove(invocation);
    if (fn.woken === invocation) fn.woken = null;
  }

  #start(invocation: InvocationEntry): void {
    invocation.phase = 'starting';
    this.starting++;
    this.#queue.started(invocation, this.#p.now());
  }

  #create(fn: FunctionEntry, invocation: InvocationEntry): void {
    const container = this.#pool.reserve(fn, this.#p.now()) as ContainerEntry;
    container.pending = invocation;
    invocation.creation = container;
    invocation.place = 'starting';
    fn.starting.insertInOrder(invocation);
    this.#supply.announce(container);
  }

  #unstart(invocation: InvocationEntry): void {
    const { fn, creation } = invocation;
    if (invocation.place === 'starting') fn.starting.remove(invocation);
    else fn.joined.remove(invocation);
    invocation.place = 'nowhere';
    this.starting--;
    if (creation === null) return;
    invocation.creation = null;
    creation.pending = null;
    if (creation.phase === 'creating') fn.unclaimed.push(creation);
  }

  /** Containers being created for nobody become those of invocations that have none of their own. */
  #claim(fn: FunctionEntry): void {
    for (;;) {
      const invocation = fn.joined.head;
      const container = fn.unclaimed.head;
      if (invocation === null || container === null) return;
      fn.joined.remove(invocation);
      fn.unclaimed.remove(container);
      container.pending = invocation;
      invocation.creation = container;
      invocation.place = 'starting';
      fn.starting.insertInOrder(invocation);
    }
  }

  /** It holds its CPU slots and is on no list. */
  #run(invocation: InvocationEntry, container: ContainerEntry, now: number): void {
    const { fn } = invocation;
    this.#pool.take(container);
    // One that waited for a creation and got a container that was ready before waited in the queue, so to speak, until now.
    if (invocation.phase === 'queued') {
      invocation.dispatchedAt = now;
      this.#queue.started(invocation, this.#p.now());
    } else if (container.state !== 'cold') invocation.dispatchedAt = now;
    invocation.runningAt = now;
    invocation.phase = 'running';
    invocation.place = 'running';
    invocation.container = container;
    invocation.containerState = container.state;
    container.runs.push(invocation);
    fn.running++;
    this.running++;
    this.#p.port.run(container, invocation);
  }
}
