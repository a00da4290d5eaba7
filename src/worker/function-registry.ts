import { isAbsolute } from 'node:path';
import type { Backend, PreparedFunction } from '../backends/backend.js';
import { limitsFault } from '../backends/cgroups/check-limits.js';
import { onlineCores } from '../backends/cgroups/cores.js';
import { memoryPolicyOf } from '../backends/cgroups/limits.js';
import type { FunctionDefinition, RegisteredFunction } from '../config/api.js';
import type { WorkerConfig } from '../config/schema.js';
import type { Engine } from '../core/engine.js';
import { IluvatarError } from '../core/errors.js';
import { type FunctionSpec, functionKey } from '../core/function.js';
import type { FunctionRecord } from '../core/function-record.js';
import { learnTimings, timingsOf } from '../core/timings.js';
import { failpoint } from '../failpoints.js';
import { characteristicsOf } from './characteristics.js';
import type { LearntFunction } from './kept-characteristics.js';
import type { KeptFunction } from './kept-functions.js';
import type { KeptState } from './kept-state.js';
import type { WorkerGateway } from './worker-gateway.js';

/**
 * What is registered: checks a definition against the worker's limits, has a backend prepare it, and tells engine and gateway. Registrations
 * of one name and version happen one after the other, so that two at once cannot both prepare and overwrite each other.
 */

export interface Registration {
  readonly definition: FunctionDefinition;
  readonly record: FunctionRecord;
  readonly prepared: ReadonlyMap<string, PreparedFunction>;
  readonly handle: number;
}

type Handed = Pick<Registration, 'definition' | 'prepared'>;

export interface RegistryOptions {
  /** In force now. */
  config(): WorkerConfig;
  backends: ReadonlyMap<string, Backend>;
  engine: Engine;
  gateway: WorkerGateway;
  kept: KeptState;
  /** What its invocations took; null = energy is not read. */
  joulesOf(record: FunctionRecord): number | null;
  registered(): void;
  unregistered(record: FunctionRecord): void;
}

export class FunctionRegistry {
  readonly #options: RegistryOptions;
  readonly #functions = new Map<string, Registration>();
  /** Last registration under way per key. */
  readonly #busy = new Map<string, Promise<unknown>>();

  constructor(options: RegistryOptions) {
    this.#options = options;
  }

  /** Idempotent for the same content; `conflict` for another one unless `replace`. */
  register(
    definition: FunctionDefinition,
    replace: boolean,
    progress: (line: string) => void,
  ): Promise<RegisteredFunction> {
    return this.#inTurn(functionKey(definition.name, definition.version), () =>
      this.#register(definition, replace, progress),
    );
  }

  /** As it was when it was kept. */
  restore(kept: KeptFunction): Promise<RegisteredFunction> {
    const { definition } = kept;
    return this.#inTurn(functionKey(definition.name, definition.version), () =>
      this.#register(definition, false, () => {}, kept),
    );
  }

  unregister(name: string, version: string): Promise<void> {
    const key = functionKey(name, version);
    return this.#inTurn(key, async () => {
      const registration = this.#functions.get(key);
      // One that could not be registered again is kept, and can be given up all the same.
      if (registration === undefined && !this.#options.kept.functions.has(key)) throw notRegistered(name, version);
      await this.#options.kept.functions.forget(key);
      if (registration !== undefined) await this.#remove(key, registration);
    });
  }

  get(name: string, version: string): Registration {
    const registration = this.#functions.get(functionKey(name, version));
    if (registration === undefined) throw notRegistered(name, version);
    return registration;
  }

  find(name: string, version: string): Registration | undefined {
    return this.#functions.get(functionKey(name, version));
  }

  /** Whether it is being registered, replaced or unregistered: not being there may be for a moment only. */
  changing(name: string, version: string): boolean {
    return this.#busy.has(functionKey(name, version));
  }

  prepared(key: string, backend: string): PreparedFunction | undefined {
    return this.#functions.get(key)?.prepared.get(backend);
  }

  preparedRecord(key: string, backend: string): { record: FunctionRecord; prepared: PreparedFunction } | null {
    const registration = this.#functions.get(key);
    const prepared = registration?.prepared.get(backend);
    return registration === undefined || prepared === undefined ? null : { record: registration.record, prepared };
  }

  list(): RegisteredFunction[] {
    return [...this.#functions.values()].map((one) => this.#describe(one));
  }

  #describe(registration: Registration): RegisteredFunction {
    return describe(registration, this.#options.joulesOf(registration.record));
  }

  *learnt(): Iterable<LearntFunction> {
    for (const { record, prepared } of this.#functions.values()) yield { record, digest: digestOf(prepared) };
  }

  get size(): number {
    return this.#functions.size;
  }

  /** Whether the containers of one may use as much memory as they like. */
  get someUnlimited(): boolean {
    return [...this.#functions.values()].some(({ record }) => record.spec.memoryPolicy === 'none');
  }

  /** `kept`: it comes from the store, and need not be put there. */
  async #register(
    definition: FunctionDefinition,
    replace: boolean,
    progress: (line: string) => void,
    kept: KeptFunction | null = null,
  ): Promise<RegisteredFunction> {
    const backends = definition.backends ?? this.#options.config().defaultBackends;
    this.#check(definition, backends);
    const key = functionKey(definition.name, definition.version);
    const spec = toSpec(definition, backends, this.#options.config());
    const prepared = await this.#prepare(definition, spec, progress, kept?.sources ?? {});
    const old = this.#functions.get(key);
    if (old !== undefined) {
      const same = sameContent(old.prepared, prepared) && sameDefinition(old.definition, definition);
      if (same || !replace) await this.#release(prepared);
      if (same) return this.#describe(old);
      if (!replace) {
        throw new IluvatarError(
          'conflict',
          `${key} is registered with other content; use replace to put this in its place`,
        );
      }
    }
    const handed = { definition, prepared };
    // Before anybody can use it: what is answered as registered is so after a crash, too.
    if (kept === null) await this.#keep(key, handed);
    if (old !== undefined) await this.#remove(key, old);
    failpoint('register.replaced');
    const registration = await this.#publish(key, spec, handed);
    this.#options.registered();
    return this.#describe(registration);
  }

  async #keep(key: string, handed: Handed): Promise<void> {
    try {
      await this.#options.kept.functions.keep(key, keptOf(handed));
    } catch (error) {
      await this.#release(handed.prepared);
      throw error;
    }
  }

  async #publish(key: string, spec: FunctionSpec, handed: Handed): Promise<Registration> {
    const { definition, prepared } = handed;
    let record: FunctionRecord;
    try {
      record = this.#options.engine.register(spec);
    } catch (error) {
      await this.#release(prepared);
      await this.#options.kept.functions.forget(key);
      throw error;
    }
    const known = this.#options.kept.characteristics.recall({ record, digest: digestOf(prepared) });
    if (!known && definition.timings !== null) learnTimings(record.stats, timingsOf(definition.timings));
    const registration = { definition, record, prepared, handle: this.#options.gateway.publish(record) };
    this.#functions.set(key, registration);
    return registration;
  }

  #check(definition: FunctionDefinition, backends: readonly string[]): void {
    checkSource(definition);
    const fault = limitsFault(definition, this.#options.config(), onlineCores());
    if (fault !== null) throw new IluvatarError('invalid', fault);
    for (const backend of backends) {
      if (!this.#options.backends.has(backend)) {
        const known = [...this.#options.backends.keys()].join(', ');
        throw new IluvatarError('invalid', `backend "${backend}" is not on this worker; it has: ${known}`);
      }
    }
  }

  async #prepare(
    definition: FunctionDefinition,
    spec: FunctionSpec,
    progress: (line: string) => void,
    sources: KeptFunction['sources'],
  ): Promise<Map<string, PreparedFunction>> {
    const prepared = new Map<string, PreparedFunction>();
    try {
      for (const name of spec.backends) {
        const backend = this.#options.backends.get(name) as Backend;
        const source = Object.hasOwn(sources, name) ? (sources[name] as string | null) : definition.source;
        prepared.set(name, await backend.prepare({ ...definition, source }, spec, progress));
      }
    } catch (error) {
      await this.#release(prepared);
      throw error;
    }
    return prepared;
  }

  async #release(prepared: ReadonlyMap<string, PreparedFunction>): Promise<void> {
    for (const [name, fn] of prepared) await this.#options.backends.get(name)?.release(fn);
  }

  async #remove(key: string, registration: Registration): Promise<void> {
    this.#options.gateway.withdraw(registration.record);
    this.#options.engine.unregister(key);
    this.#functions.delete(key);
    this.#options.kept.characteristics.note({ record: registration.record, digest: digestOf(registration.prepared) });
    this.#options.unregistered(registration.record);
    await this.#release(registration.prepared);
  }

  #inTurn<T>(key: string, step: () => Promise<T>): Promise<T> {
    const before = this.#busy.get(key) ?? Promise.resolve();
    const turn = before.then(step, step);
    this.#busy.set(key, turn);
    const done = (): void => {
      if (this.#busy.get(key) === turn) this.#busy.delete(key);
    };
    turn.then(done, done);
    return turn;
  }
}

function notRegistered(name: string, version: string): IluvatarError {
  return new IluvatarError('not_found', `no function ${functionKey(name, version)} is registered on this worker`);
}

/** A function is source, or an image, and what only one of them has goes with it alone. */
function checkSource({ source, image, base, command }: FunctionDefinition): void {
  const invalid = (message: string): never => {
    throw new IluvatarError('invalid', message);
  };
  if (source === null && image === null) invalid('a function needs source or image');
  if (source !== null && image !== null)
    invalid('a function has source or image, not both: `base` is what source is built upon');
  if (source !== null && !isAbsolute(source)) invalid(`source must be an absolute path, not "${source}"`);
  if (image !== null && base !== null) invalid('`base` belongs to source: an image is complete');
  if (source !== null && command !== null) invalid('`command` belongs to image: source is started by its runtime');
}

function toSpec(d: FunctionDefinition, backends: readonly string[], config: WorkerConfig): FunctionSpec {
  const {
    name,
    version,
    memoryMb,
    cpus,
    concurrency,
    maxContainers,
    queueLimit,
    timeoutMs,
    keepAliveMs,
    retries,
    devices,
    gpuMemoryMb,
    create,
    network,
  } = d;
  return {
    name,
    version,
    memoryMb,
    memoryPolicy: memoryPolicyOf(d, config),
    cpus,
    concurrency,
    maxContainers,
    queueLimit,
    timeoutMs,
    keepAliveMs,
    retries,
    devices,
    backends,
    gpuMemoryMb,
    createAttempts: create.attempts,
    fallBack: create.fallBack,
    needsAddress: network === 'bridge',
  };
}

/** Of what the function is on all its backends. */
function digestOf(prepared: ReadonlyMap<string, PreparedFunction>): string {
  return [...prepared].map(([backend, { digest }]) => `${backend}:${digest}`).join(' ');
}

function sameContent(a: ReadonlyMap<string, PreparedFunction>, b: ReadonlyMap<string, PreparedFunction>): boolean {
  return a.size === b.size && [...a].every(([backend, prepared]) => b.get(backend)?.digest === prepared.digest);
}

/** As prepared, not as asked for: the source of an upload is gone by now, its copy in the store is not. */
function keptOf({ definition, prepared }: Handed): KeptFunction {
  const sources = [...prepared].map(([backend, fn]) => [backend, fn.definition.source] as const);
  return { definition, sources: Object.fromEntries(sources) };
}

/** Where the source came from does not matter, only what it holds (its digest). */
function sameDefinition(a: FunctionDefinition, b: FunctionDefinition): boolean {
  return JSON.stringify({ ...a, source: '' }) === JSON.stringify({ ...b, source: '' });
}

function describe(
  { definition, record, prepared, handle }: Registration,
  energyJoules: number | null,
): RegisteredFunction {
  const { name, version, memoryMb, cpus, timeoutMs } = definition;
  const [first] = [...prepared.values()] as [PreparedFunction];
  const { runtime } = first;
  const { queued, running, containers } = record;
  return {
    name,
    version,
    digest: first.digest,
    image: definition.image,
    handle,
    runtime,
    memoryMb,
    cpus,
    timeoutMs,
    backends: [...prepared.keys()],
    queued,
    running,
    containers,
    energyJoules,
    characteristics: characteristicsOf(record),
  };
}
