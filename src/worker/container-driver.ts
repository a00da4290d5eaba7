import type { Backend, BackendContainer, PreparedFunction } from '../backends/backend.js';
import type { Engine } from '../core/engine.js';
import type { Invocation } from '../core/invocation.js';
import type { Container } from '../core/pool/container.js';
import type { ContainerFailure, ContainerPort, DestroyReason } from '../core/ports.js';
import { failpoint } from '../failpoints.js';
import type { Log } from '../telemetry/logs/log.js';
import type { TraceHeaders } from '../telemetry/tracing/trace-context.js';
import type { Holdings } from './adoption/holdings.js';
import { entryText } from './adoption/kept-entry.js';
import { DrivenContainer } from './driven-container.js';

/**
 * Joins the engine's commands to the backends and their events back to the engine. It decides nothing. It also keeps the set of containers that ran
 * since they were last measured, which is all that the memory sampler ever looks at.
 */

export interface DriverOptions {
  backends: ReadonlyMap<string, Backend>;
  /** What was prepared at registration, by function key. */
  prepared(key: string, backend: string): PreparedFunction | undefined;
  dropPayload(payload: unknown): void;
  /** Bytes of one. */
  payloadBytes(payload: number): number;
  /** What outlives this process. */
  holdings: Holdings;
  /** Called after what may have given the engine a deadline. */
  deadlines(): void;
  /** Containers that run on one GPU at once. */
  gpuConcurrency: number;
  /** Its transaction id, also where it came without one. */
  tidOf(invocation: Invocation): string;
  log: Log;
}

export class ContainerDriver implements ContainerPort {
  readonly #options: DriverOptions;
  #engine: Engine | null = null;
  readonly #destroying = new Set<Promise<void>>();
  /** Became ready, and not given to the keeper yet: not before the invocation that waited for them is under way. */
  #unkept: DrivenContainer[] = [];
  /** Given to it. */
  readonly #kept = new Set<DrivenContainer>();
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
    const driven = new DrivenContainer(this, this.#options.holdings.marks);
    driven.container = container;
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
    this.unkeep(container.handle as DrivenContainer);
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
    this.unkeep(driven);
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

  /** What runs now, with its CPU time so far; µs, null = not measured. */
  *running(): Generator<{ readonly invocation: Invocation; readonly cpuUs: number | null }> {
    // All that run are among these: one leaves only when it was measured while nothing ran in it.
    for (const container of this.unmeasured) {
      if (container.active > 0) yield* (container.handle as DrivenContainer).running();
    }
  }

  dropPayload(payload: unknown): void {
    this.#options.dropPayload(payload);
  }

  payloadBytes(payload: number): number {
    return this.#options.holdings.active ? this.#options.payloadBytes(payload) : 0;
  }

  /** `container`: its number, or its name as long as the engine has none for it. `running`: the only invocation that runs in it; null = there is none, or more. */
  output(
    fn: string,
    container: number | string,
    stream: 'stdout' | 'stderr',
    chunk: Buffer,
    running: Invocation | null,
  ): void {
    const { log, tidOf } = this.#options;
    if (!log.isLevelEnabled('info')) return;
    const fields = { ...(running === null ? {} : { tid: tidOf(running) }), function: fn, container, stream };
    for (const line of chunk.toString('utf8').split('\n')) if (line !== '') log.info(fields, line);
  }

  becameReady(driven: DrivenContainer): void {
    this.engine.containerReady(driven.container as Container);
    this.keepLater(driven);
  }

  keepLater(driven: DrivenContainer): void {
    if (!this.#options.holdings.active) return;
    if (this.#unkept.push(driven) === 1) setImmediate(() => this.keepNew());
  }

  /** It is kept already: an earlier process has given it. */
  keptAlready(driven: DrivenContainer): void {
    this.#kept.add(driven);
  }

  /** The keeper is another one. */
  keepAll(): void {
    for (const driven of this.#kept) this.keepLater(driven);
    this.#kept.clear();
  }

  /** It has ended, or is about to be: before its connections are closed, which its processes would not notice while somebody else had them too. */
  unkeep(driven: DrivenContainer): void {
    const { holdings } = this.#options;
    if (driven.mark >= 0) holdings.marks.give(driven.mark);
    driven.mark = -1;
    if (this.#kept.delete(driven)) holdings.drop(driven.keptAs);
  }

  /** Gives what became ready since to the keeper. */
  keepNew(): void {
    for (const driven of this.#unkept.splice(0)) this.#keep(driven);
  }

  #keep(driven: DrivenContainer): void {
    const { holdings, prepared } = this.#options;
    const { backend: handle, container } = driven;
    if (handle === null || container === null || container.phase === 'destroying') return;
    const { fn, backend, device, gpu } = container;
    const digest = prepared(fn.key, backend)?.digest;
    if (digest === undefined) return;
    const keepable = handle.keepable();
    if (keepable === null) return;
    if (driven.mark < 0) driven.takeMark();
    if (driven.mark < 0) return;
    failpoint('container.keep');
    const { facts, fds } = keepable;
    driven.keptAs = handle.name;
    this.#kept.add(driven);
    holdings.keep(
      handle.name,
      entryText({ function: fn.key, digest, backend, device, gpu, mark: driven.mark, facts }),
      fds,
    );
    failpoint('container.kept');
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

/** What holds an invocation's arguments: handed out once, to the container that runs it. */
export interface PayloadOwner {
  takePayload(): number | Uint8Array | string | null;
  /** The trace that it is part of; null or absent = none. */
  readonly trace?: { outgoing(): TraceHeaders | null } | null;
}
