import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { Backend } from '../backends/backend.js';
import { createBackends } from '../backends/backends.js';
import type { PrewarmResult, ReloadReport, WorkerHealth, WorkerStatus } from '../config/api.js';
import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import {
  adjustableOptions,
  type Device,
  Engine,
  type FunctionRecord,
  IluvatarError,
  type PrewarmSink,
} from '../core/index.js';
import { native } from '../native.js';
import { BridgeAddresses } from '../net/bridge-addresses.js';
import { ContainerNetworks } from '../net/container-networks.js';
import type { GatewayResult } from '../server/gateway.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import { WorkerMetrics } from '../telemetry/metrics/worker-metrics.js';
import { Transport } from '../transport/transport.js';
import { AsyncResults } from './async-results.js';
import { ContainerDriver } from './container-driver.js';
import { ControlPlane } from './control-plane.js';
import type { InheritedSockets } from './daemon/inherited-sockets.js';
import { EngineTimer } from './engine-timer.js';
import { FunctionRegistry, type KeptFunction } from './function-registry.js';
import { HostPressure } from './host-pressure.js';
import { LifecyclePool } from './lifecycle/pool.js';
import { LoadMonitor } from './load-monitor.js';
import { MemorySampler } from './memory-sampler.js';
import { PressureMonitor } from './pressure-monitor.js';
import { ShardEdges } from './shard-edges.js';
import { dropPayload, engineOptions, machineMemoryMb, now } from './shard-engine.js';
import { countersByBackend, countersOfAll, healthByBackend } from './shard-report.js';
import { WorkerGateway } from './worker-gateway.js';

/**
 * One engine with its edges, transport and backends, all on one thread: a request is parsed, queued, dispatched and answered without leaving it. Runs
 * as a piscina task (threads) or on the caller's thread (inline).
 */

export interface ShardOptions {
  config: WorkerConfig;
  log: Log;
  sockets: InheritedSockets;
  /** Has the worker read its configuration again; `configure` is called meanwhile. */
  reload(): Promise<ReloadReport>;
  /** Told of what a shard after this one must register again. */
  registered(kept: KeptFunction): void;
  unregistered(name: string, version: string): void;
}

export const VERSION = (createRequire(import.meta.url)('../../package.json') as { version: string }).version;

export class Shard {
  readonly gateway: WorkerGateway;
  readonly #options: ShardOptions;
  readonly #log: Log;
  readonly #transport: Transport;
  readonly #lifecycle: LifecyclePool;
  readonly #backends: ReadonlyMap<string, Backend>;
  readonly #engine: Engine;
  readonly #driver: ContainerDriver;
  readonly #timer: EngineTimer;
  readonly #load: LoadMonitor;
  readonly #sampler: MemorySampler;
  readonly #pressure: PressureMonitor;
  readonly #registry: FunctionRegistry;
  readonly #results: AsyncResults;
  readonly #metrics: WorkerMetrics;
  readonly #edges: ShardEdges;
  readonly #startedAt = Date.now();
  /** In force: live options change. */
  #config: WorkerConfig;
  #state: WorkerStatus['state'] = 'running';
  #threads: WorkerHealth['threads'] = [];

  constructor(options: ShardOptions) {
    const { config, log } = options;
    this.#options = options;
    this.#config = config;
    this.#log = moduleLog(log, 'worker');
    this.#transport = new Transport({
      ...config.transport,
      hello: JSON.stringify({ role: 'worker', name: config.name }),
    });
    this.#lifecycle = new LifecyclePool({ threads: config.threads, size: config.lifecycleThreads });
    const transport = this.#transport;
    const lifecycle = this.#lifecycle;
    // Each keeps away from the other's subnets, also from those of which the machine knows nothing yet.
    const networks: ContainerNetworks = new ContainerNetworks({
      config,
      log: moduleLog(log, 'network'),
      addresses: (count) => this.#engine.addressesAvailable(count),
      others: () => addresses.ranges,
    });
    const addresses = new BridgeAddresses(config.network, () => networks.ranges);
    const parts = { config, transport, lifecycle, networks, addresses };
    this.#backends = createBackends(parts, (name) => moduleLog(log, name));
    this.#driver = new ContainerDriver({
      backends: this.#backends,
      prepared: (key, name) => this.#registry.prepared(key, name),
      dropPayload: (payload) => dropPayload(transport, payload),
      deadlines: () => this.#timer.arm(),
      gpuConcurrency: config.gpu.concurrency,
      log: moduleLog(log, 'containers'),
    });
    this.#engine = new Engine(
      engineOptions(config, this.#driver, [...this.#backends.keys()], moduleLog(log, 'engine'), transport),
    );
    this.#driver.bind(this.#engine);
    this.#timer = new EngineTimer(this.#engine, now);
    this.#load = new LoadMonitor(this.#engine, {
      enabled: config.cpu.oversubscribe.maxSlots > 0,
      periodMs: config.cpu.oversubscribe.checkMs,
      cores: availableParallelism(),
    });
    this.#sampler = new MemorySampler(this.#driver, config.memory.sampleMs);
    this.#pressure = new PressureMonitor({
      engine: this.#engine,
      source: new HostPressure(),
      settings: config.memory.pressure,
      now,
      log: moduleLog(log, 'memory'),
    });
    this.#results = new AsyncResults({
      ...config.asyncResults,
      now: Date.now,
      body: (payload) => transport.body(payload),
      drop: (payload) => transport.drop(payload),
    });
    this.#metrics = new WorkerMetrics({ status: () => this.status(), functions: () => this.#registry.list() });
    const control: ControlPlane = new ControlPlane({
      shard: this,
      results: this.#results,
      registry: () => this.#registry,
      gateway: () => this.gateway,
      unpackUpload: (archive) => this.#unpackUpload(archive),
      discardUpload: (folder) => rm(folder, { recursive: true, force: true }),
    });
    this.gateway = new WorkerGateway({
      engine: this.#engine,
      transport,
      call: (method, params, body, progress) => control.call(method, params, body, progress),
      started: () => this.#timer.arm(),
      observe: (result, fn) => this.#observe(result, fn),
    });
    const { sockets } = options;
    this.#edges = new ShardEdges({ config, log, sockets, transport, gateway: this.gateway });
    this.#registry = new FunctionRegistry({
      config: () => this.#config,
      backends: this.#backends,
      engine: this.#engine,
      gateway: this.gateway,
      registered: (kept) => {
        this.#pressure.unlimitedFunctions(this.#registry.someUnlimited);
        options.registered(kept);
      },
      unregistered: (record) => {
        this.#metrics.forget(record);
        this.#pressure.unlimitedFunctions(this.#registry.someUnlimited);
        options.unregistered(record.spec.name, record.spec.version);
      },
    });
  }

  get httpPort(): number | null {
    return this.#edges.httpPort;
  }

  /** Starts backends and edges, and registers what an earlier shard had. Leaves nothing behind when it fails. */
  async start(functions: readonly KeptFunction[]): Promise<void> {
    const { config } = this.#options;
    const { dataDir, socket } = resolvePaths(config);
    native().system.raiseFileLimit();
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    try {
      // The edges first: a taken port or socket must be found out before anything is made, and before another worker's things are swept. Sockets that were
      // handed over cannot be taken: who comes waits in them until all is there, instead of being refused.
      await this.#edges.open();
      for (const backend of this.#backends.values()) await backend.start();
      for (const kept of functions) await this.#restore(kept);
      await this.#edges.openInherited();
    } catch (error) {
      await this.stop(0);
      throw error;
    }
    this.#log.info({ name: config.name, version: VERSION, socket, httpPort: this.httpPort }, 'the worker is running');
  }

  /** On the caller's thread it lives as long as the caller does. */
  get alive(): boolean {
    return true;
  }

  /** Brings changed live options into force (src/config/live-options.ts). Throws `invalid`, with nothing changed, for limits that do not fit. */
  configure(config: WorkerConfig): void {
    this.#engine.adjust(adjustableOptions(config, machineMemoryMb()));
    this.#config = config;
    this.#sampler.periodMs = config.memory.sampleMs;
    this.#pressure.configure(config.memory.pressure, this.#registry.someUnlimited);
    this.#results.configure(config.asyncResults);
    this.#timer.arm();
  }

  reload(): Promise<ReloadReport> {
    return this.#options.reload();
  }

  setThreads(threads: WorkerHealth['threads']): void {
    this.#threads = threads;
  }

  /** Its log is the caller's when it runs on the caller's thread: nothing to do. */
  reopenLog(): void {}

  assertAccepting(): void {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the worker is ${this.#state}`);
  }

  prewarm(fn: FunctionRecord, count: number, device?: Device): Promise<PrewarmResult> {
    this.assertAccepting();
    const pressure = this.#pressure;
    return new Promise((resolve, reject) => {
      const sink: PrewarmSink = {
        settled(ready, failure, attempts) {
          pressure.arm();
          if (failure === null) resolve({ containers: ready, attempts });
          else reject(new IluvatarError(failure.errorClass, failure.message, failure.details ?? {}));
        },
      };
      this.#engine.prewarm(fn, count, sink, device);
      this.#timer.arm();
    });
  }

  status(): WorkerStatus {
    const { config } = this.#options;
    const { memory, cpu, queue, queues, gpus, counters, backends } = this.#engine.status();
    const own = { memoryReads: this.#sampler.reads, ...counters, ...this.#transport.counters() };
    return {
      name: config.name,
      version: VERSION,
      uptimeS: (Date.now() - this.#startedAt) / 1000,
      state: this.#state,
      memory,
      cpu,
      queue,
      queues,
      gpus: [...gpus],
      functions: this.#registry.size,
      backends: countersByBackend(backends, this.#backends),
      counters: { ...own, ...countersOfAll(this.#backends) },
      shards: this.#threads.map(({ state, restarts }, id) => ({ id, state, restarts })),
    };
  }

  health(): WorkerHealth {
    const backends = healthByBackend(this.#engine.status().backends, this.#backends);
    const notes = this.#state === 'running' ? [] : [`the worker is ${this.#state}`];
    return {
      healthy: this.#state === 'running' && backends.every((backend) => backend.healthy),
      notes: [...notes, ...backends.flatMap((backend) => backend.notes)],
      backends,
      threads: this.#threads,
    };
  }

  /** Seconds; 0 for null and for functions never seen. */
  estimate(functions: readonly (FunctionRecord | null)[]): number[] {
    return this.#engine.estimate(functions);
  }

  /** Removes idle containers; resolves once their memory is free. */
  async clean(): Promise<number> {
    const removed = this.#engine.clean();
    await this.#driver.settled();
    return removed;
  }

  /** Refuses what is new and waits for what was accepted; false when something was left after `timeoutMs`. */
  async drain(timeoutMs = this.#config.drainMs): Promise<boolean> {
    if (this.#state === 'running') this.#state = 'draining';
    return await within(timeoutMs, (done) => this.#engine.drain(done));
  }

  metrics(): Promise<string> {
    return this.#metrics.text();
  }

  async stop(drainMs: number): Promise<void> {
    if (this.#state === 'stopping') return;
    await this.drain(drainMs);
    this.#state = 'stopping';
    this.#timer.stop();
    this.#load.stop();
    this.#sampler.stop();
    this.#pressure.stop();
    // Answers what is still open and ends the containers in the engine's own order, before their backends go.
    if (!(await within(STOP_LIMIT_MS, (done) => this.#engine.stop(done)))) {
      this.#log.error({ open: this.#engine.open }, 'not everything ended in time');
    }
    // Edges last among what answers: whoever was accepted gets an answer before the sockets go.
    for (const backend of this.#backends.values()) await this.#stopped(backend);
    await this.#edges.close();
    await this.#lifecycle.close();
    this.#transport.destroy();
    this.#log.info({}, 'the worker has stopped');
  }

  async #stopped(backend: Backend): Promise<void> {
    try {
      await backend.stop();
    } catch (error) {
      this.#log.error({ err: error, backend: backend.name }, 'a backend did not stop cleanly');
    }
  }

  async #restore(kept: KeptFunction): Promise<void> {
    try {
      await this.#registry.restore(kept);
    } catch (error) {
      this.#log.error(
        { err: error, function: kept.definition.name, version: kept.definition.version },
        'a function could not be registered again',
      );
    }
  }

  async #unpackUpload(archive: Uint8Array): Promise<string> {
    const { config } = this.#options;
    const uploads = join(resolvePaths(config).dataDir, 'uploads');
    await mkdir(uploads, { recursive: true, mode: 0o700 });
    const folder = await mkdtemp(join(uploads, 'upload-'));
    try {
      await this.#lifecycle.run('unpackArchive', { archive, into: folder, maxBytes: config.limits.sourceMaxBytes });
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
    return folder;
  }

  #observe(result: GatewayResult, fn: FunctionRecord | null): void {
    this.#metrics.observe(result, fn);
    this.#sampler.arm();
    this.#pressure.arm();
    if (this.#config.log.invocations) {
      const { tid, errorClass, state, queueUs, startUs, runUs, attempts, backend } = result;
      const fields = { tid, function: fn?.key, backend, errorClass, state, queueUs, startUs, runUs, attempts };
      this.#log.info(fields, 'invocation');
    }
  }
}

const STOP_LIMIT_MS = 10_000;

/** True when `begin` called back within `ms`. */
function within(ms: number, begin: (done: () => void) => void): Promise<boolean> {
  return new Promise((resolve) => {
    const late = setTimeout(() => resolve(false), ms);
    begin(() => {
      clearTimeout(late);
      resolve(true);
    });
  });
}
