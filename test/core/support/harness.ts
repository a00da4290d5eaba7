import type { CreationOptions } from '../../../src/core/creation/creation-policy.js';
import { CpuOnlyDispatch } from '../../../src/core/dispatch/cpu-only.js';
import type { ExistingContainer } from '../../../src/core/engine/adoption.js';
import { Engine, type EngineOptions, silentLog } from '../../../src/core/engine.js';
import { IluvatarError } from '../../../src/core/errors.js';
import type { FunctionSpec } from '../../../src/core/function.js';
import type { FunctionRecord } from '../../../src/core/function-record.js';
import type { Invocation, InvocationSink, Outcome } from '../../../src/core/invocation.js';
import type { Container } from '../../../src/core/pool/container.js';
import { LruEviction } from '../../../src/core/pool/eviction/lru.js';
import type { ContainerFailure, ContainerPort, DestroyReason } from '../../../src/core/ports.js';
import { FcfsQueue } from '../../../src/core/queue/fcfs.js';
import { noGpus } from '../../../src/core/resources/gpu-options.js';

/**
 * An engine with a port that notes each command and leaves the answer to the test. It checks what every port may rely on: nothing is run on what is not
 * ready, over its concurrency, or on its way out.
 */

export class TestClock {
  time = 1_000_000;
  now(): number {
    return this.time;
  }
}

export const OK: Outcome = { errorClass: null, message: null, details: null, payload: 'result', runUs: 100 };
export const USER_ERROR: Outcome = { ...OK, errorClass: 'user_error', message: 'it raised', payload: null };
export const CRASH: ContainerFailure = { errorClass: 'crashed', message: 'it died', details: null, transient: false };
export const LOST_RACE: ContainerFailure = {
  errorClass: 'unavailable',
  message: 'lost',
  details: null,
  transient: true,
};
export const UNABLE: ContainerFailure = {
  errorClass: 'unavailable',
  message: 'the daemon is down',
  details: null,
  transient: false,
};
export const BAD_CODE: ContainerFailure = {
  errorClass: 'start_failed',
  message: 'no',
  details: null,
  transient: false,
};

export function spec(over: Partial<FunctionSpec> = {}): FunctionSpec {
  return {
    name: 'f',
    version: '1',
    memoryMb: 100,
    cpus: 1,
    concurrency: 1,
    maxContainers: null,
    queueLimit: null,
    timeoutMs: 1000,
    keepAliveMs: null,
    retries: 0,
    devices: ['cpu'],
    backends: ['model'],
    ...over,
  };
}

/** Handle of containers that the port has not been asked to create. */
const ADOPTED = 'adopted';

export class ModelPort implements ContainerPort {
  readonly creating = new Set<Container>();
  readonly ready = new Set<Container>();
  readonly destroying = new Map<Container, DestroyReason>();
  readonly runs = new Map<Invocation, Container>();
  readonly cancelled = new Set<Invocation>();
  readonly log: string[] = [];
  readonly faults: string[] = [];
  /** Order in which invocations began to run. */
  readonly started: Invocation[] = [];
  onCreate: ((container: Container) => void) | null = null;
  onRun: ((container: Container, invocation: Invocation) => void) | null = null;
  onDestroy: ((container: Container) => void) | null = null;

  create(container: Container): void {
    if (this.creating.has(container) || this.ready.has(container)) this.faults.push(`#${container.id} created twice`);
    this.creating.add(container);
    this.log.push(`create ${container.id}`);
    this.onCreate?.(container);
  }

  run(container: Container, invocation: Invocation): void {
    // What is adopted may be given an invocation before the engine has said its name.
    if (container.handle === ADOPTED) this.ready.add(container);
    if (!this.ready.has(container)) this.faults.push(`ran ${invocation.id} on #${container.id}, which is not ready`);
    if (container.active > container.fn.spec.concurrency) this.faults.push(`#${container.id} runs too many`);
    if (this.runs.has(invocation)) this.faults.push(`${invocation.id} runs twice`);
    this.runs.set(invocation, container);
    this.started.push(invocation);
    this.log.push(`run ${invocation.id} on ${container.id}`);
    this.onRun?.(container, invocation);
  }

  cancel(container: Container, invocation: Invocation, reason: 'timeout' | 'cancelled'): void {
    if (this.runs.get(invocation) !== container) this.faults.push(`cancelled ${invocation.id}, which does not run`);
    this.cancelled.add(invocation);
    this.log.push(`cancel ${invocation.id} ${reason}`);
  }

  destroy(container: Container, reason: DestroyReason): void {
    if (this.destroying.has(container)) this.faults.push(`#${container.id} destroyed twice`);
    this.creating.delete(container);
    this.ready.delete(container);
    this.destroying.set(container, reason);
    for (const [invocation, home] of this.runs) if (home === container) this.runs.delete(invocation);
    this.log.push(`destroy ${container.id} ${reason}`);
    this.onDestroy?.(container);
  }
}

/** Notes how each invocation ended, and how often. */
export class Recorder implements InvocationSink {
  readonly outcomes = new Map<Invocation, Outcome>();
  readonly twice: Invocation[] = [];
  onSettled: ((invocation: Invocation, outcome: Outcome) => void) | null = null;

  settled(invocation: Invocation, outcome: Outcome): void {
    if (this.outcomes.has(invocation)) this.twice.push(invocation);
    this.outcomes.set(invocation, outcome);
    this.onSettled?.(invocation, outcome);
  }

  classOf(invocation: Invocation): string | null {
    const outcome = this.outcomes.get(invocation);
    return outcome === undefined ? 'open' : (outcome.errorClass ?? 'ok');
  }
}

/** One attempt, on one backend: what a test of something else wants. */
export const ONE_ATTEMPT: CreationOptions = {
  attempts: 1,
  backOffUs: 10_000,
  maxBackOffUs: 40_000,
  jitter: 0,
  random: () => 0.5,
  fallBack: true,
  breaker: { failures: 3, openUs: 100_000 },
};

export class Harness {
  readonly clock = new TestClock();
  readonly port = new ModelPort();
  readonly sink = new Recorder();
  readonly discarded: unknown[] = [];
  readonly engine: Engine;

  constructor(over: Partial<EngineOptions> = {}) {
    this.engine = new Engine({
      clock: this.clock,
      port: this.port,
      queues: { cpu: new FcfsQueue(), gpu: new FcfsQueue() },
      eviction: () => new LruEviction(),
      dispatch: new CpuOnlyDispatch(),
      backends: ['model', 'second', 'third'],
      create: ONE_ATTEMPT,
      gpu: noGpus,
      bypassUs: 0,
      oversubscription: null,
      power: null,
      cpuSlots: 4,
      memoryMb: 1000,
      addresses: Number.POSITIVE_INFINITY,
      bufferMb: 0,
      queueLimit: 100,
      dropAbandoned: true,
      cancelGraceUs: 200_000,
      discard: (payload) => this.discarded.push(payload),
      log: silentLog,
      ...over,
    });
  }

  register(over: Partial<FunctionSpec> = {}): FunctionRecord {
    return this.engine.register(spec(over));
  }

  invoke(fn: FunctionRecord, timeoutMs = 0): Invocation {
    return this.engine.invoke(fn, null, timeoutMs, `t${this.sink.outcomes.size}`, this.sink);
  }

  /** One that an earlier process has left. */
  adopt(fn: FunctionRecord, over: Partial<ExistingContainer> = {}): Container | null {
    const existing = { backend: 'model', device: 'cpu', gpu: -1, handle: ADOPTED, ...over } as const;
    const container = this.engine.adopt(fn, existing);
    if (container !== null && container.phase !== 'destroying') this.port.ready.add(container);
    return container;
  }

  /** The oldest container under creation becomes ready. */
  ready(container: Container = first(this.port.creating)): Container {
    this.port.creating.delete(container);
    this.port.ready.add(container);
    this.engine.containerReady(container);
    return container;
  }

  failed(failure: ContainerFailure, container: Container = first(this.port.creating)): void {
    this.port.creating.delete(container);
    this.engine.containerFailed(container, failure);
  }

  complete(invocation: Invocation, outcome: Outcome = OK): void {
    const container = this.port.runs.get(invocation);
    if (container === undefined) throw new Error(`invocation ${invocation.id} does not run`);
    this.port.runs.delete(invocation);
    this.engine.completed(container, invocation, outcome);
  }

  exited(container: Container, failure: ContainerFailure = CRASH): void {
    this.port.creating.delete(container);
    this.port.ready.delete(container);
    for (const [invocation, home] of this.port.runs) if (home === container) this.port.runs.delete(invocation);
    this.engine.containerExited(container, failure);
  }

  gone(container: Container = first(this.port.destroying.keys())): void {
    this.port.destroying.delete(container);
    this.engine.containerGone(container);
  }

  /** A cold start and its end: leaves one idle, warm container. */
  warmUp(fn: FunctionRecord): Container {
    const invocation = this.invoke(fn);
    const container = this.ready();
    this.complete(invocation);
    return container;
  }

  advance(us: number): void {
    this.clock.time += us;
    this.engine.tick();
  }

  /** Everything that can be wrong at this moment. */
  problems(): string[] {
    const doubled = this.sink.twice.map((invocation) => `invocation ${invocation.id} was settled twice`);
    return [...this.port.faults, ...doubled, ...this.engine.checkInvariants()];
  }
}

export function first<T>(items: Iterable<T>): T {
  for (const item of items) return item;
  throw new Error('there is none');
}

/** Class of the error that `work` throws, or `nothing`. */
export function classThrown(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    return error instanceof IluvatarError ? error.errorClass : String(error);
  }
  return 'nothing';
}
