import {
  configureEngine,
  Engine,
  type EngineOptions,
  type EngineSettings,
  IluvatarError,
  type Payload,
  silentLog,
} from '../core/index.js';
import type { ContainerModel } from './container-model.js';
import { SimulatedPort } from './simulated-port.js';
import { VirtualClock } from './virtual-clock.js';

/** The one backend there is in a simulation of a trace. */
export const BACKEND = 'simulated';

/** What settings of 0 stand for, so that a result does not depend on the machine that it was computed on. */
export interface SimulatedMachine {
  readonly cores: number;
  readonly memoryMb: number;
}

export interface SimulatedWorkerOptions {
  readonly settings: EngineSettings;
  readonly machine: SimulatedMachine;
  readonly model: ContainerModel;
  /** Those that containers are made on; `BACKEND` when absent. They differ in name only: the model says what each does. */
  readonly backends?: readonly string[];
  /** How long an overdue run may take to answer; µs. */
  readonly cancelGraceUs: number;
  /** The last word about the engine's options: a policy that has no name, such as the offline bound. */
  readonly adapt?: ((options: EngineOptions) => EngineOptions) | undefined;
  readonly discard?: (payload: Payload) => void;
}

/** An engine that moves through the same instant without end has a deadline that it does not clear. */
const MOST_TICKS_AT_ONCE = 1000;

/**
 * An engine, containers that exist in time only, and the clock of both. Time jumps from one event to the next: what takes long costs as little as what is
 * over at once, and when nothing happens nothing is done.
 */
export class SimulatedWorker {
  readonly clock = new VirtualClock();
  readonly port: SimulatedPort;
  readonly engine: Engine;
  /** Container events and deadlines handled. */
  events = 0;
  /** Called after each of them. */
  afterEvent: (() => void) | null = null;

  constructor(options: SimulatedWorkerOptions) {
    const { settings, machine, model, cancelGraceUs, adapt = (same) => same, discard = () => {} } = options;
    const { backends = [BACKEND] } = options;
    this.port = new SimulatedPort(this.clock, model);
    const configured = configureEngine(settings, {
      clock: this.clock,
      port: this.port,
      backends,
      cores: machine.cores,
      machineMemoryMb: machine.memoryMb,
      cancelGraceUs,
      discard,
      log: silentLog,
    });
    this.engine = new Engine(adapt(configured));
    this.port.bind(this.engine);
  }

  /** When something happens next without anybody coming; µs, Infinity = nothing will. */
  get nextAt(): number {
    return Math.min(this.port.events.nextAt, this.engine.nextDeadline());
  }

  /**
   * Everything until then, and then it is that time. At one instant containers answer first, then comes who comes (the caller's part), then
   * time is up: an answer that comes in the last moment is in time. `through`: nobody comes at that time, so what is due then is done as well.
   */
  advance(until: number, through = false): void {
    const { clock, port, engine } = this;
    const { events } = port;
    let ticks = 0;
    for (;;) {
      const eventAt = events.nextAt;
      const deadline = engine.nextDeadline();
      if (eventAt <= deadline) {
        if (eventAt > until || eventAt === Number.POSITIVE_INFINITY) break;
        events.pop();
        // A fault may have let the clock jump: what should have happened meanwhile happens now.
        if (eventAt > clock.time) clock.time = eventAt;
        port.fire();
        ticks = 0;
      } else {
        if (deadline > until || (deadline === until && !through)) break;
        if (deadline > clock.time) {
          clock.time = deadline;
          ticks = 0;
        } else if (++ticks > MOST_TICKS_AT_ONCE) {
          throw new IluvatarError('internal', `the engine's deadline ${deadline} is not cleared by its tick`);
        }
        engine.tick();
      }
      this.events++;
      if (this.afterEvent !== null) this.afterEvent();
    }
    if (until > clock.time && until !== Number.POSITIVE_INFINITY) clock.time = until;
  }

  /** When something happens next. Throws `internal` when nothing ever will; `waiting` says what waits in vain. */
  upcoming(waiting: string): number {
    const next = this.nextAt;
    if (next !== Number.POSITIVE_INFINITY) return next;
    throw new IluvatarError('internal', `nothing will happen any more, but ${waiting}`);
  }
}
