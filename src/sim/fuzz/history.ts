import {
  type Container,
  type EngineOptions,
  type FunctionRecord,
  IluvatarError,
  type Invocation,
  type InvocationSink,
  type Outcome,
} from '../../core/index.js';
import { SimulatedWorker } from '../simulated-worker.js';
import { ORIGIN_US } from '../virtual-clock.js';
import { BACKENDS, type FuzzCase, type FuzzEvent, type StrayAnswer } from './fuzz-case.js';
import { BROKEN, FuzzModel, LOST_RACE } from './fuzz-model.js';

export interface FuzzOptions {
  /** The last word about the engine's options: how a test puts a defect in. */
  readonly adapt?: ((options: EngineOptions) => EngineOptions) | undefined;
  /** False: only the end is checked. Shows what checking costs. */
  readonly everyEvent?: boolean;
}

const GRACE_US = 200_000;
/** A caller can only leave, and a late answer only come about, one of the latest. */
const REMEMBERED = 64;

/** Something is wrong; `kind` as in `FuzzFailure`. */
export class Problem extends Error {
  readonly kind: string;
  readonly problems: readonly string[];
  constructor(kind: string, problems: readonly string[]) {
    super(problems.join('; '));
    this.kind = kind;
    this.problems = problems;
  }
}

/** A history while it is played. Throws `Problem` as soon as something is wrong. */
export class History implements InvocationSink {
  readonly worker: SimulatedWorker;
  checks = 0;
  readonly #case: FuzzCase;
  readonly #records: (FunctionRecord | null)[];
  readonly #recent: Invocation[] = [];
  /** How often each invocation was settled, by its id. */
  readonly #settled: Uint8Array;
  readonly #mostEvents: number;
  readonly #everyEvent: boolean;
  readonly #model: FuzzModel;
  /** Nothing lets time pass without anything being done, so that nothing may be late. */
  readonly #onTime: boolean;
  #accepted = 0;
  #prewarmsAsked = 0;
  #prewarmsSettled = 0;
  #drainsAsked = 0;
  #drained = 0;
  #stopsAsked = 0;
  #stopped = 0;

  constructor(fuzzCase: FuzzCase, { adapt, everyEvent = true }: FuzzOptions) {
    this.#everyEvent = everyEvent;
    this.#onTime = !fuzzCase.events.some(({ kind }) => kind === 'jump');
    this.#model = new FuzzModel(fuzzCase);
    this.#case = fuzzCase;
    this.#settled = new Uint8Array(fuzzCase.events.length + 1);
    this.#mostEvents = 10_000 + 100 * fuzzCase.events.length;
    this.worker = new SimulatedWorker({
      settings: fuzzCase.settings,
      machine: { cores: 4, memoryMb: 1000 },
      model: this.#model,
      backends: BACKENDS,
      cancelGraceUs: GRACE_US,
      adapt,
    });
    this.worker.port.immediate = fuzzCase.immediate;
    this.worker.afterEvent = () => this.#check();
    this.#records = fuzzCase.functions.map((_, index) => this.#register(index));
  }

  play(): void {
    const { worker } = this;
    const { engine } = worker;
    for (const event of this.#case.events) {
      worker.advance(ORIGIN_US + event.at);
      this.#apply(event);
      this.#check();
    }
    while (engine.open > 0) worker.advance(worker.upcoming('not everything is answered'), true);
    this.#apply({ at: 0, kind: 'stop' });
    this.#check();
    while (this.#stopped < this.#stopsAsked) worker.advance(worker.upcoming('the worker does not stop'), true);
    this.#checkEnd();
  }

  settled(invocation: Invocation, _outcome: Outcome): void {
    const late = this.worker.clock.time - invocation.deadline - GRACE_US;
    if (late > 0 && this.#onTime) throw new Problem('late', [`invocation ${invocation.id} is settled ${late} µs late`]);
    const before = this.#settled[invocation.id] as number;
    this.#settled[invocation.id] = before + 1;
    if (before > 0) throw new Problem('settled', [`invocation ${invocation.id} is settled again`]);
  }

  #apply(event: FuzzEvent): void {
    const { engine, port, clock } = this.worker;
    switch (event.kind) {
      case 'invoke': {
        const record = this.#records[event.fn];
        if (record === null || record === undefined) return;
        this.#accepted++;
        const invocation = engine.invoke(record, event, event.timeoutMs, '', this);
        this.#recent[invocation.id % REMEMBERED] = invocation;
        return;
      }
      case 'abandon': {
        const open = this.#recent.filter(({ phase }) => phase !== 'settled');
        const invocation = pick(open.length > 0 ? open : this.#recent, event.pick);
        if (invocation !== undefined) engine.abandon(invocation);
        return;
      }
      case 'late': {
        const invocation = pick(this.#recent, event.pick);
        if (invocation === undefined || invocation.phase !== 'settled' || invocation.container === null) return;
        const outcome = { errorClass: null, message: null, details: null, payload: null, runUs: 1 };
        engine.completed(invocation.container, invocation, outcome);
        return;
      }
      case 'stray': {
        const container = pick([...port.containers, ...port.leaving], event.pick);
        if (container !== undefined) this.#stray(container, event.answer);
        return;
      }
      case 'prewarm': {
        const record = this.#records[event.fn];
        if (record === null || record === undefined) return;
        refusable(() => {
          const device = event.device ?? undefined;
          engine.prewarm(record, event.count, { settled: () => this.#prewarmsSettled++ }, device);
          this.#prewarmsAsked++;
        });
        return;
      }
      case 'unregister': {
        const record = this.#records[event.fn];
        if (record !== null && record !== undefined) engine.unregister(record.key);
        return;
      }
      case 'register':
        if (this.#records[event.fn]?.removed !== false) this.#records[event.fn] = this.#register(event.fn);
        return;
      case 'exit': {
        const container = pick([...port.containers, ...port.leaving], event.pick);
        if (container !== undefined) port.exit(container, event.transient ? LOST_RACE : BROKEN);
        return;
      }
      case 'measured': {
        const container = pick([...port.containers], event.pick);
        if (container !== undefined) engine.measured(container, event.mb);
        return;
      }
      case 'jump':
        clock.time += event.us;
        return;
      case 'gpu lost':
        engine.gpuLost(event.gpu);
        return;
      case 'gpu found':
        engine.gpuFound(event.gpu);
        return;
      case 'gpu reading':
        engine.gpuUtilization(event.gpu, event.percent);
        return;
      case 'load reading':
        engine.cpuLoad(event.perCore);
        return;
      case 'backend down':
        this.#model.down.set(BACKENDS[event.backend] as string, event.how);
        return;
      case 'backend up':
        this.#model.down.delete(BACKENDS[event.backend] as string);
        return;
      case 'clean':
        engine.clean();
        return;
      case 'drain':
        this.#drainsAsked++;
        engine.drain(() => this.#drained++);
        return;
      case 'stop':
        this.#stopsAsked++;
        engine.stop(() => this.#stopped++);
        return;
    }
  }

  /** Only what the engine does not wait for: the other answers are the port's to give. */
  #stray(container: Container, answer: StrayAnswer): void {
    const { engine } = this.worker;
    if (answer === 'ready' && container.phase !== 'creating') engine.containerReady(container);
    else if (answer === 'failed' && container.phase !== 'creating') engine.containerFailed(container, BROKEN);
    else if (answer === 'gone' && container.phase !== 'destroying') engine.containerGone(container);
  }

  #register(index: number): FunctionRecord | null {
    const { spec } = this.#case.functions[index] as FuzzCase['functions'][number];
    return refusable(() => this.worker.engine.register(spec));
  }

  #check(): void {
    const { engine, port } = this.worker;
    if (port.faults.length > 0) throw new Problem('port', port.faults);
    if (this.#model.faults.length > 0 && this.#onTime) throw new Problem('late', this.#model.faults);
    const wrong = this.#everyEvent ? engine.checkInvariants() : [];
    if (wrong.length > 0) throw new Problem('invariant', wrong);
    if (++this.checks > this.#mostEvents) throw new Problem('endless', ['events beget events without end']);
    // Two accounts of the same memory, kept by two who do not know each other; now and then, since asking makes an object.
    if (this.checks % 16 === 0) this.#checkMemory();
  }

  #checkMemory(): void {
    const { engine, port } = this.worker;
    const { runningMb, cachedMb } = engine.status().memory;
    if (Math.abs(runningMb - port.memory.runningMb) < 1e-6 && Math.abs(cachedMb - port.memory.cachedMb) < 1e-6) return;
    const { memory } = port;
    const text = `the engine says ${runningMb} MiB running and ${cachedMb} cached, the containers ${memory.runningMb} and ${memory.cachedMb}`;
    throw new Problem('memory', [text]);
  }

  #checkEnd(): void {
    const { engine, port } = this.worker;
    const left: string[] = [];
    for (let id = 1; id <= this.#accepted; id++) {
      if (this.#settled[id] !== 1) left.push(`invocation ${id} was settled ${this.#settled[id]} times`);
    }
    const same = (what: string, asked: number, told: number): void => {
      if (asked !== told) left.push(`${what}: ${asked} asked, ${told} told`);
    };
    same('prewarms', this.#prewarmsAsked, this.#prewarmsSettled);
    same('drains', this.#drainsAsked, this.#drained);
    same('stops', this.#stopsAsked, this.#stopped);
    const { memory, running, starting, queue, cpu } = engine.status();
    const none = (what: string, count: number): void => {
      if (count !== 0) left.push(`${what} left after the end: ${count}`);
    };
    none('open invocations', engine.open);
    none('containers', port.containers.size + memory.runningContainers + memory.cachedContainers);
    none('memory', memory.totalMb);
    none('running', running + starting + queue.length);
    none('CPU slots', cpu.used);
    if (left.length > 0) throw new Problem('left', left);
    this.#checkMemory();
  }
}

function pick<T>(items: readonly T[], number: number): T | undefined {
  return items[number % Math.max(1, items.length)];
}

/** Null = the engine refused, as it may: draining, a function that could never run, more containers than fit. */
function refusable<T>(work: () => T): T | null {
  try {
    return work();
  } catch (error) {
    if (error instanceof IluvatarError && error.errorClass !== 'internal') return null;
    throw error;
  }
}
