import { join } from 'node:path';
import type { FunctionDefinition } from '../../config/api.js';
import { resolvePaths } from '../../config/paths.js';
import type { WorkerConfig } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { type FunctionSpec, functionKey } from '../../core/function.js';
import { seededRandom } from '../../core/random.js';
import type { Transport } from '../../transport/transport.js';
import type {
  Backend,
  BackendContainer,
  BackendHealth,
  ContainerEvents,
  MemoryReading,
  PreparedFunction,
} from '../backend.js';
import { Alarms } from './alarms.js';
import { type ContainerContext, SimulatedContainer } from './container.js';
import { prepareSimulated, type SimulatedFunction } from './function.js';

/**
 * Containers that exist in time only, on the real clock: a worker can be run, tested and loaded at any scale without a container, and such functions run beside real ones with one
 * accounting. Nothing of it is on the machine but the copies of descriptions in the data folder.
 */
export interface SimulatedBackendOptions {
  readonly config: WorkerConfig;
  readonly transport: Transport;
}

/** Of the worker's seed: far from what policies draw from. */
const STREAM = 0x5000_0000_0000;

export class SimulatedBackend implements Backend {
  readonly name = 'simulated';
  readonly #options: SimulatedBackendOptions;
  readonly #alarms = new Alarms();
  readonly #context: ContainerContext;
  readonly #containers = new Map<string, SimulatedContainer>();
  #running = false;
  #created = 0;
  #memoryReads = 0;

  constructor(options: SimulatedBackendOptions) {
    const { config, transport } = options;
    this.#options = options;
    this.#context = {
      alarms: this.#alarms,
      killGraceUs: config.sandbox.killGraceMs * 1000,
      maxBodyBytes: config.transport.maxBodyBytes,
      arguments: (payload) => textOf(payload, transport),
      gone: ({ name }) => this.#containers.delete(name),
    };
  }

  async list(): Promise<readonly string[]> {
    return [...this.#containers.keys()];
  }

  async start(): Promise<void> {
    if (this.#running) throw new IluvatarError('conflict', 'the simulated backend is already started');
    this.#running = true;
  }

  async prepare(
    definition: FunctionDefinition,
    spec: FunctionSpec,
    progress: (line: string) => void,
  ): Promise<PreparedFunction> {
    const store = join(resolvePaths(this.#options.config).dataDir, 'simulated');
    return prepareSimulated(definition, functionKey(spec.name, spec.version), store, progress);
  }

  async release(): Promise<void> {}

  create(
    prepared: PreparedFunction,
    env: Readonly<Record<string, string>>,
    _id: number,
    events: ContainerEvents,
  ): BackendContainer {
    if (!this.#running) throw new IluvatarError('unavailable', 'the simulated backend is not running');
    const { name: worker, seed } = this.#options.config;
    const number = ++this.#created;
    const random = seededRandom(seed + STREAM, number);
    const name = `${worker}/s${number}`;
    const container = new SimulatedContainer(name, prepared as SimulatedFunction, env, random, this.#context, events);
    this.#containers.set(name, container);
    container.start();
    return container;
  }

  adopt(): never {
    throw new IluvatarError('unavailable', 'simulated containers end with the process');
  }

  async memory(containers: readonly BackendContainer[]): Promise<MemoryReading[]> {
    this.#memoryReads += containers.length;
    return containers.map((container) => ({
      usedBytes: (container as SimulatedContainer).memoryBytes,
      cacheBytes: 0,
    }));
  }

  health(): BackendHealth {
    const counters = { containers: this.#containers.size, created: this.#created, memoryReads: this.#memoryReads };
    const notes = this.#running ? [] : ['not started'];
    return { name: this.name, healthy: this.#running, notes, counters };
  }

  /** A worker's containers end with it: an earlier one has left none. */
  async clean(): Promise<readonly string[]> {
    return [];
  }

  async stop(): Promise<void> {
    this.#running = false;
    await Promise.all([...this.#containers.values()].map((container) => container.destroy()));
    this.#alarms.stop();
  }
}

/** '' for none. */
function textOf(payload: number | Uint8Array | string | null, transport: Transport): string {
  if (payload === null || payload === 0) return '';
  if (typeof payload === 'string') return payload;
  if (typeof payload !== 'number')
    return Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
  const text = transport.body(payload).toString('utf8');
  transport.drop(payload);
  return text;
}
