import type {
  Container,
  ContainerFailure,
  ContainerPort,
  Engine,
  ErrorClass,
  ErrorDetails,
  Invocation,
  Outcome,
  Payload,
} from '../core/index.js';
import type { ContainerModel } from './container-model.js';
import { EVENT, EventHeap } from './event-heap.js';
import { MemoryLevels } from './memory-levels.js';
import type { SimulatedPower } from './simulated-power.js';
import type { VirtualClock } from './virtual-clock.js';

/** From being told that its time has passed to the answer of an agent; µs. */
const CANCEL_US = 1000;

/** What the port knows of a container: its `handle`. */
class SimulatedContainer {
  /** Events of one that is `leaving` do not count any more. */
  state: 'creating' | 'ready' | 'leaving' = 'creating';
  cached = false;
  /** What it runs; kept where power is modelled. */
  readonly runs = new Set<Invocation>();
}

/** Filled anew for each run: the engine and whoever is told read it and let go. */
class RunOutcome implements Outcome {
  errorClass: ErrorClass | null = null;
  message: string | null = null;
  readonly details: ErrorDetails | null = null;
  readonly payload: Payload = null;
  runUs = 0;
  cpuUs: number | null = null;
}

/**
 * Containers that exist in time only: each command of the engine becomes an event, as far in the future as the model says, and `fire` tells the engine what
 * has come of it. Events of containers that are gone by then are dropped.
 */
export class SimulatedPort implements ContainerPort {
  readonly events = new EventHeap();
  readonly memory = new MemoryLevels();
  /** null = it is not modelled. */
  power: SimulatedPower | null = null;
  /** Being created or ready. */
  readonly containers = new Set<Container>();
  /** Being destroyed. */
  readonly leaving = new Set<Container>();
  /** What the engine should not have asked for, as sentences. */
  readonly faults: string[] = [];
  /** Answer from inside the command what takes no time: legal for a port, hard on an engine. */
  immediate = false;
  readonly #clock: VirtualClock;
  readonly #model: ContainerModel;
  readonly #outcome = new RunOutcome();
  #engine: Engine | null = null;

  constructor(clock: VirtualClock, model: ContainerModel) {
    this.#clock = clock;
    this.#model = model;
  }

  bind(engine: Engine): void {
    this.#engine = engine;
  }

  create(container: Container): void {
    if (container.handle instanceof SimulatedContainer) this.faults.push(`container ${container.id} is created twice`);
    container.handle = new SimulatedContainer();
    this.containers.add(container);
    this.memory.change(container.memoryMb, 0, this.#clock.time);
    this.power?.creating(1, this.#clock.time);
    const us = this.#model.creationUs(container);
    const failure = this.#model.creationFailure(container);
    if (us === 0 && this.immediate) this.#created(container, failure);
    else this.events.push(this.#clock.time + us, EVENT.created, container, null, 0, failure);
  }

  run(container: Container, invocation: Invocation): void {
    const handle = container.handle as SimulatedContainer;
    if (handle.state !== 'ready') this.faults.push(`container ${container.id} is ${handle.state} and is to run`);
    if (container.active > container.fn.spec.concurrency) this.faults.push(`container ${container.id} runs too many`);
    if (handle.cached) this.#uncache(container, handle);
    if (this.power !== null) {
      handle.runs.add(invocation);
      this.power.began(invocation, this.#clock.time);
    }
    const us = this.#model.runUs(container, invocation);
    const fate = this.#model.runFate(container, invocation);
    const at = this.#clock.time + us;
    if (fate === null) {
      if (us === 0 && this.immediate) this.#answered(container, invocation, 0, null);
      else this.events.push(at, EVENT.answered, container, invocation, us, null);
    } else if (fate.kind === 'answer') {
      this.events.push(at, EVENT.answered, container, invocation, us, fate.errorClass);
    } else if (fate.kind === 'exit') {
      this.events.push(at, EVENT.exited, container, invocation, us, fate.failure);
    }
  }

  cancel(container: Container, invocation: Invocation): void {
    const at = this.#clock.time + CANCEL_US;
    const fate = this.#model.runFate(container, invocation);
    if (fate?.kind !== 'silence') this.events.push(at, EVENT.cancelled, container, invocation, 0, null);
  }

  destroy(container: Container): void {
    const handle = container.handle as SimulatedContainer;
    if (handle.state === 'leaving') this.faults.push(`container ${container.id} is destroyed twice`);
    if (handle.cached) this.#uncache(container, handle);
    if (this.power !== null) this.#quiet(handle, this.power);
    handle.state = 'leaving';
    this.containers.delete(container);
    this.leaving.add(container);
    const us = this.#model.destructionUs(container);
    if (us === 0 && this.immediate) this.#gone(container);
    else this.events.push(this.#clock.time + us, EVENT.gone, container, null, 0, null);
  }

  /** The event that the heap has just popped happens now. */
  fire(): void {
    const { kind, invocation, runUs, cause } = this.events;
    if (kind === EVENT.call) {
      (cause as () => void)();
      return;
    }
    const container = this.events.container as Container;
    if (kind === EVENT.gone) this.#gone(container);
    else if ((container.handle as SimulatedContainer).state === 'leaving') return;
    else if (kind === EVENT.created) this.#created(container, cause as ContainerFailure | null);
    else if (invocation?.phase !== 'running' || invocation.container !== container) return;
    else if (kind === EVENT.answered) this.#answered(container, invocation, runUs, cause as ErrorClass | null);
    else if (kind === EVENT.cancelled)
      this.#answered(container, invocation, invocationUs(invocation, this.#clock.time), 'timeout');
    else this.exit(container, cause as ContainerFailure);
  }

  /** It dies now, with everything that it runs. */
  exit(container: Container, failure: ContainerFailure): void {
    this.#bound.containerExited(container, failure);
  }

  #created(container: Container, failure: ContainerFailure | null): void {
    const handle = container.handle as SimulatedContainer;
    this.power?.creating(-1, this.#clock.time);
    if (failure !== null) {
      handle.state = 'leaving';
      this.containers.delete(container);
      this.memory.change(-container.memoryMb, 0, this.#clock.time);
      this.#bound.containerFailed(container, failure);
      return;
    }
    handle.state = 'ready';
    handle.cached = true;
    this.memory.change(-container.memoryMb, container.memoryMb, this.#clock.time);
    this.#bound.containerReady(container);
  }

  #answered(container: Container, invocation: Invocation, runUs: number, errorClass: ErrorClass | null): void {
    const outcome = this.#outcome;
    outcome.errorClass = errorClass;
    outcome.message = errorClass;
    outcome.runUs = runUs;
    if (this.power !== null) {
      (container.handle as SimulatedContainer).runs.delete(invocation);
      outcome.cpuUs = this.power.ended(invocation, this.#clock.time);
    }
    if (container.active === 1) {
      const { memoryMb } = container;
      (container.handle as SimulatedContainer).cached = true;
      this.memory.change(-memoryMb, memoryMb, this.#clock.time);
    }
    if (container.invocations === 0) this.#bound.measured(container, container.memoryMb);
    this.#bound.completed(container, invocation, outcome);
  }

  /** Nothing happens in it any more. */
  #quiet({ state, runs }: SimulatedContainer, power: SimulatedPower): void {
    if (state === 'creating') power.creating(-1, this.#clock.time);
    for (const invocation of runs) power.ended(invocation, this.#clock.time);
    runs.clear();
  }

  #gone(container: Container): void {
    this.leaving.delete(container);
    this.memory.change(-container.memoryMb, 0, this.#clock.time);
    this.#bound.containerGone(container);
  }

  #uncache(container: Container, handle: SimulatedContainer): void {
    handle.cached = false;
    this.memory.change(container.memoryMb, -container.memoryMb, this.#clock.time);
  }

  get #bound(): Engine {
    return this.#engine as Engine;
  }
}

function invocationUs(invocation: Invocation, now: number): number {
  return now - invocation.runningAt;
}
