import type { Backend, BackendContainer, ContainerEvents, PreparedFunction, RunResult } from '../backends/backend.js';
import type { Engine } from '../core/engine.js';
import type { Invocation } from '../core/invocation.js';
import type { Container } from '../core/pool/container.js';
import type { ContainerFailure, ContainerPort, DestroyReason } from '../core/ports.js';
import { failpoint } from '../store/failpoints.js';
import type { Log } from '../telemetry/logs/log.js';

/**
 * Joins the engine's commands to the backends and their events back to the engine. It decides nothing. It also keeps the set of containers that ran
 * since they were last measured, which is all that the memory sampler ever looks at.
 */

export interface DriverOptions {
  backends: ReadonlyMap<string, Backend>;
  /** What was prepared at registration, by function key. */
  prepared(key: string, backend: string): PreparedFunction | undefined;
  dropPayload(payload: unknown): void;
  /** Called after what may have given the engine a deadline. */
  deadlines(): void;
  /** Containers that run on one GPU at once. */
  gpuConcurrency: number;
  log: Log;
}

export class ContainerDriver implements ContainerPort {
  readonly #options: DriverOptions;
  #engine: Engine | null = null;
  readonly #destroying = new Set<Promise<void>>();
  /** Ran since they were last measured. */
  readonly unmeasured = new Set<Container>();

  constructor(options: DriverOptions) {
    this.#options = options;
  }

  /** The engine is made with its port, so the port learns its engine afterwards. */
  bind(engine: Engine): void {
    this.#engine = engine;
  }

  get engine(): Engine {
    if (this.#engine === null) throw new Error('the container driver is not bound to an engine');
    return this.#engine;
  }

  create(container: Container): void {
    const backend = this.#options.backends.get(container.backend);
    const prepared = this.#options.prepared(container.fn.key, container.backend);
    if (backend === undefined || prepared === undefined) {
      const message = `backend "${container.backend}" has nothing prepared for ${container.fn.key}`;
      this.failed(container, { errorClass: 'unavailable', message, details: null, transient: false });
      return;
    }
    const driven = new DrivenContainer(this, container);
    container.handle = driven;
    failpoint('container.create');
    try {
      driven.backend = backend.create(prepared, this.#environment(container), container.id, driven);
    } catch (error) {
      // A backend that is not running (yet, or any more) has nothing to raise an event from.
      const message = `the backend "${backend.name}" made no container: ${(error as Error).message}`;
      this.failed(container, { errorClass: 'unavailable', message, details: null, transient: false });
      return;
    }
    failpoint('container.created');
    driven.created();
  }

  failed(container: Container, failure: ContainerFailure): void {
    this.engine.containerFailed(container, failure);
    this.#options.deadlines();
  }

  exited(container: Container, failure: ContainerFailure): void {
    this.engine.containerExited(container, failure);
    this.#options.deadlines();
  }

  /** What the CUDA runtime goes by: the GPU it is attached to, and its share of that as an MPS client. */
  #environment({ gpu }: Container): Record<string, string> {
    if (gpu < 0) return {};
    const share = Math.floor(100 / this.#options.gpuConcurrency);
    return { CUDA_VISIBLE_DEVICES: `${gpu}`, CUDA_MPS_ACTIVE_THREAD_PERCENTAGE: `${share}` };
  }

  run(container: Container, invocation: Invocation): void {
    this.unmeasured.add(container);
    (container.handle as DrivenContainer).run(invocation);
  }

  cancel(container: Container, invocation: Invocation, reason: 'timeout' | 'cancelled'): void {
    (container.handle as DrivenContainer).backend?.cancel(invocation.id >>> 0, reason);
  }

  destroy(container: Container, reason: DestroyReason): void {
    const driven = container.handle as DrivenContainer;
    this.unmeasured.delete(container);
    const destroyed: Promise<void> = this.#destroyed(driven, container, reason).finally(() =>
      this.#destroying.delete(destroyed),
    );
    this.#destroying.add(destroyed);
  }

  /** Resolves once every destruction under way has ended. */
  async settled(): Promise<void> {
    while (this.#destroying.size > 0) await Promise.allSettled([...this.#destroying]);
  }

  /** The backend's own handle of a container, for its memory to be read. */
  backendOf(container: Container): { backend: Backend; handle: BackendContainer } | null {
    const backend = this.#options.backends.get(container.backend);
    const handle = (container.handle as DrivenContainer | undefined)?.backend;
    return backend === undefined || handle === null || handle === undefined ? null : { backend, handle };
  }

  dropPayload(payload: unknown): void {
    this.#options.dropPayload(payload);
  }

  output(container: Container, stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const { log } = this.#options;
    if (!log.isLevelEnabled('info')) return;
    const fn = container.fn.key;
    for (const line of chunk.toString('utf8').split('\n')) {
      if (line !== '') log.info({ function: fn, container: container.id, stream }, line);
    }
  }

  async #destroyed(driven: DrivenContainer, container: Container, reason: DestroyReason): Promise<void> {
    try {
      await driven.destroy(reason);
    } catch (error) {
      // Its memory must come back to the budget all the same, or a few such failures would starve the worker.
      this.#options.log.error({ container: driven.backend?.name, err: error }, 'a container was not destroyed cleanly');
    }
    failpoint('container.destroyed');
    this.engine.containerGone(container);
  }
}

/** One container between engine and backend: the runs in flight and the events that end them. */
class DrivenContainer implements ContainerEvents {
  backend: BackendContainer | null = null;
  readonly #driver: ContainerDriver;
  readonly #container: Container;
  readonly #runs = new Map<number, Invocation>();
  /** An event raised from inside `Backend.create`, before there is a handle to run anything on. */
  #early: (() => void) | null = null;

  constructor(driver: ContainerDriver, container: Container) {
    this.#driver = driver;
    this.#container = container;
  }

  created(): void {
    const early = this.#early;
    this.#early = null;
    early?.();
  }

  run(invocation: Invocation): void {
    // The wire has 32 bits for it; a container runs far fewer at once than would make two alike.
    const requestId = invocation.id >>> 0;
    this.#runs.set(requestId, invocation);
    this.backend?.run({
      requestId,
      tid: invocation.tid,
      timeoutMs: Math.max(1, Math.ceil((invocation.deadline - invocation.runningAt) / 1000)),
      payload: (invocation.sink as unknown as PayloadOwner).takePayload(),
    });
  }

  async destroy(reason: DestroyReason): Promise<void> {
    await this.backend?.destroy(reason);
  }

  ready(): void {
    if (this.backend === null) this.#early = () => this.ready();
    else this.#driver.engine.containerReady(this.#container);
  }

  failed(failure: ContainerFailure): void {
    if (this.backend === null) this.#early = () => this.failed(failure);
    else this.#driver.failed(this.#container, failure);
  }

  exited(failure: ContainerFailure): void {
    // Arguments are handed out once: what has begun to run cannot be repeated here, whatever the backend thinks of it.
    const repeatable = this.#runs.size === 0 && failure.transient;
    this.#runs.clear();
    this.#driver.exited(this.#container, { ...failure, transient: repeatable });
  }

  completed(result: RunResult): void {
    const invocation = this.#runs.get(result.requestId);
    if (invocation === undefined) {
      this.#driver.dropPayload(result.payload);
      return;
    }
    this.#runs.delete(result.requestId);
    this.#driver.engine.completed(this.#container, invocation, result);
  }

  output(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    this.#driver.output(this.#container, stream, chunk);
  }
}

/** What holds an invocation's arguments: handed out once, to the container that runs it. */
export interface PayloadOwner {
  takePayload(): number | Uint8Array | string | null;
}
