import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { Backend } from '../backends/backend.js';
import { createBackends } from '../backends/backends.js';
import { within } from '../backends/within.js';
import type { PrewarmResult, WorkerHealth, WorkerStatus } from '../config/api.js';
import { resolvePaths } from '../config/paths.js';
import type { WorkerConfig } from '../config/schema.js';
import { adjustableOptions, type Device, Engine, type FunctionRecord, IluvatarError } from '../core/index.js';
import { native } from '../native.js';
import { VERSION } from '../package-files.js';
import type { GatewayResult } from '../server/gateway.js';
import { MemoryStore } from '../store/memory-store.js';
import type { Store } from '../store/store.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import { STABLE_MESSAGES } from '../telemetry/logs/messages.js';
import { Transport } from '../transport/transport.js';
import { Holdings } from './adoption/holdings.js';
import { ShardRecovery } from './adoption/shard-recovery.js';
import { AsyncService } from './async/service.js';
import { ContainerDriver } from './container-driver.js';
import { ControlPlane } from './control-plane.js';
import { EngineTimer } from './engine-timer.js';
import { FunctionRegistry } from './function-registry.js';
import { HostLoad } from './host-load.js';
import { withBoardGpu } from './jetson-feed.js';
import { KeptState } from './kept-state.js';
import { LifecyclePool } from './lifecycle/pool.js';
import { Profiler } from './profiler.js';
import { ShardEdges } from './shard-edges.js';
import { dropPayload, engineOptions, machineMemoryMb, now, prewarmed } from './shard-engine.js';
import { handOverShard } from './shard-hand-over.js';
import type { ProcessQuestion } from './shard-messages.js';
import { ShardMonitors } from './shard-monitors.js';
import { createNetworks } from './shard-networks.js';
import type { ShardOptions } from './shard-options.js';
import { ShardReport } from './shard-report.js';
import { ShardTelemetry } from './shard-telemetry.js';
import type { KnownDescriptors } from './supervision/descriptor-watch.js';
import { ShardSupervision } from './supervision/shard-supervision.js';
import type { Watched } from './supervision/watched.js';
import { Uploads } from './uploads.js';
import { WorkerGateway } from './worker-gateway.js';

/**
 * One engine with its edges, transport and backends, all on one thread: a request is parsed, queued, dispatched and answered without leaving it. Runs
 * as a piscina task (threads) or on the caller's thread (inline).
 */

export class Shard {
  readonly gateway: WorkerGateway;
  readonly #options: ShardOptions;
  readonly #log: Log;
  readonly #transport: Transport;
  readonly #supervision: ShardSupervision;
  readonly #lifecycle: LifecyclePool;
  readonly #backends: ReadonlyMap<string, Backend>;
  readonly #engine: Engine;
  readonly #driver: ContainerDriver;
  readonly #holdings: Holdings;
  readonly #recovery: ShardRecovery;
  readonly #timer: EngineTimer;
  readonly #monitors: ShardMonitors;
  readonly #store: Store;
  readonly #kept: KeptState;
  readonly #registry: FunctionRegistry;
  readonly #async: AsyncService;
  readonly #edges: ShardEdges;
  readonly #telemetry: ShardTelemetry;
  readonly #report: ShardReport;
  /** In force: live options change. */
  #config: WorkerConfig;
  #state: WorkerStatus['state'] = 'running';

  constructor(options: ShardOptions) {
    const { log } = options;
    const config = withBoardGpu(options.config);
    this.#options = options;
    this.#config = config;
    this.#log = moduleLog(log, 'worker');
    this.#store = options.store ?? new MemoryStore();
    this.#transport = new Transport({
      ...config.transport,
      hello: JSON.stringify({ role: 'worker', name: config.name }),
    });
    this.#supervision = new ShardSupervision({ config, log: this.#log, known: () => this.#knownDescriptors() });
    const watch = (name: string): Watched => this.#supervision.task(name);
    this.#lifecycle = new LifecyclePool({
      ...config.supervision.lifecycle,
      threads: config.threads,
      size: config.lifecycleThreads,
      watched: config.threads ? this.#supervision.thread('life-cycle') : null,
      ...(options.lifecycleFile === undefined ? {} : { file: options.lifecycleFile }),
    });
    this.#telemetry = new ShardTelemetry({
      config: () => this.#config,
      supervision: this.#supervision,
      log,
      status: () => this.status(),
      functions: () => this.#registry.list(),
    });
    const transport = this.#transport;
    const lifecycle = this.#lifecycle;
    const { networks, addresses } = createNetworks(config, log, watch, () => this.#engine);
    const parts = { config, transport, lifecycle, networks, addresses, watch };
    this.#backends = createBackends(options.backends, parts, (name) => moduleLog(log, name));
    const again = (): void => this.#driver.keepAll();
    const holdings = new Holdings({ config, log: moduleLog(log, 'recovery'), again });
    this.#holdings = holdings;
    this.#driver = new ContainerDriver({
      backends: this.#backends,
      prepared: (key, name) => this.#registry.prepared(key, name),
      dropPayload: (payload) => dropPayload(transport, payload),
      payloadBytes: (payload) => transport.bytes(payload),
      holdings,
      deadlines: () => this.#timer.arm(),
      gpuConcurrency: config.gpu.concurrency,
      tidOf: ({ tid, id }) => (tid === '' ? this.gateway.tidOf(id) : tid),
      log: moduleLog(log, 'containers'),
    });
    this.#engine = new Engine(
      engineOptions(config, this.#driver, [...this.#backends.keys()], moduleLog(log, 'engine'), transport),
    );
    this.#driver.bind(this.#engine);
    this.#recovery = new ShardRecovery({
      config,
      log: moduleLog(log, 'recovery'),
      holdings,
      backends: this.#backends,
      networks,
      engine: this.#engine,
      driver: this.#driver,
      registered: (key, backend) => this.#registry.preparedRecord(key, backend),
      knownHandles: (handles) => this.gateway.adoptHandles(handles),
      takeOver: (client) => this.#edges.takeOver(client),
    });
    this.#timer = new EngineTimer(this.#engine, now);
    this.#monitors = new ShardMonitors({
      config,
      engine: this.#engine,
      driver: this.#driver,
      supervision: this.#supervision,
      log,
      divided: (functions) => this.#telemetry.energy(functions),
      deadlines: () => this.#timer.arm(),
    });
    this.#async = new AsyncService({
      store: this.#store,
      config: config.async,
      gateway: () => this.gateway,
      definition: (name, version) => this.#registry.find(name, version)?.definition,
      changing: (name, version) => this.#registry.changing(name, version),
      spans: this.#telemetry.spans,
      log: moduleLog(log, 'async'),
    });
    const control: ControlPlane = new ControlPlane({
      shard: this,
      async: this.#async,
      registry: () => this.#registry,
      gateway: () => this.gateway,
      uploads: new Uploads(config, lifecycle),
      profiler: new Profiler({ config: () => this.#config, lifecycle, ask: options.ask }),
      log: this.#log,
    });
    this.gateway = new WorkerGateway({
      engine: this.#engine,
      transport,
      call: (method, params, body, progress) => control.call(method, params, body, progress),
      started: () => this.#timer.arm(),
      observe: (result, fn) => this.#observe(result, fn),
      spans: this.#telemetry.spans,
      energy: this.#monitors.energy,
    });
    this.#edges = new ShardEdges({
      config,
      log,
      sockets: options.sockets,
      transport,
      gateway: this.gateway,
      facts: () => ({ limits: this.#config.limits, gpus: config.gpu.count, backends: [...this.#backends.keys()] }),
      inFlight: options.inFlight ?? null,
    });
    this.#kept = new KeptState(this.#store, config, () => this.#registry, this.#log);
    this.#registry = new FunctionRegistry({
      config: () => this.#config,
      kept: this.#kept,
      backends: this.#backends,
      engine: this.#engine,
      gateway: this.gateway,
      joulesOf: (record) => this.#monitors.energy?.joulesOf(record) ?? null,
      registered: () => this.#monitors.unlimitedFunctions(this.#registry.someUnlimited),
      unregistered: (record) => {
        this.#telemetry.forget(record);
        this.#monitors.unregistered(record, this.#registry.someUnlimited);
      },
    });
    this.#report = new ShardReport({
      name: config.name,
      engine: this.#engine,
      backends: this.#backends,
      supervision: this.#supervision,
      async: this.#async,
      host: new HostLoad(config.cpu.slots || availableParallelism()),
      addresses: () => this.#edges.addresses,
      functions: () => this.#registry.size,
      counters: () => ({
        memoryReads: this.#monitors.memoryReads,
        storeCommits: this.#store.commits,
        ...transport.counters(),
        ...this.#telemetry.counters(),
      }),
      monitors: this.#monitors,
      notes: () => [this.#kept, this.#recovery, this.#telemetry, this.#monitors].flatMap((part) => part.notes()),
    });
  }

  /** There is no other thread to serve it. */
  readonly healthPort = null;

  get httpPort(): number | null {
    return this.#edges.httpPort;
  }

  get grpcPort(): number | null {
    return this.#edges.grpcPort;
  }

  /** Starts backends and edges, and registers what the store has. Leaves nothing behind when it fails. */
  async start(): Promise<void> {
    const { config } = this.#options;
    const { dataDir, socket } = resolvePaths(config);
    native().system.raiseFileLimit();
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    try {
      this.#async.load();
      // The edges first: a taken port or socket must be found out before anything is made, and before another worker's things are swept. Sockets that were
      // handed over cannot be taken: who comes waits in them until all is there, instead of being refused.
      await this.#edges.open();
      await this.#recovery.startBackends();
      await this.#kept.restore();
      await this.#recovery.adopt();
      this.#async.start();
      this.#telemetry.start();
      this.#monitors.start();
      this.gateway.forgetHandles();
      await this.#edges.openInherited();
      this.#recovery.takeOverClients();
    } catch (error) {
      await this.stop(0);
      throw error;
    }
    const { httpPort, grpcPort } = this;
    this.#log.info({ name: config.name, version: VERSION, socket, httpPort, grpcPort }, STABLE_MESSAGES.workerRunning);
  }

  /** On the caller's thread it lives as long as the caller does. */
  get alive(): boolean {
    return true;
  }

  /** Brings changed live options into force (src/config/live-options.ts). Throws `invalid`, with nothing changed, for limits that do not fit. */
  configure(config: WorkerConfig): void {
    this.#engine.adjust(adjustableOptions(config, machineMemoryMb()));
    this.#config = config;
    this.#monitors.configure(config, this.#registry.someUnlimited);
    this.#timer.arm();
  }

  ask(question: ProcessQuestion): Promise<unknown> {
    return this.#options.ask(question);
  }

  setThreads(threads: WorkerHealth['threads']): void {
    this.#supervision.threads = threads;
  }

  /** Its log is the caller's when it runs on the caller's thread: nothing to do. */
  reopenLog(): void {}

  assertAccepting(): void {
    if (this.#state !== 'running') throw new IluvatarError('unavailable', `the worker is ${this.#state}`);
  }

  prewarm(fn: FunctionRecord, count: number, device?: Device): Promise<PrewarmResult> {
    this.assertAccepting();
    const result = prewarmed(this.#engine, fn, count, device);
    this.#timer.arm();
    return result.finally(() => this.#monitors.arm());
  }

  status(): WorkerStatus {
    return this.#report.status(this.#state);
  }

  health(): WorkerHealth {
    return this.#report.health(this.#state);
  }

  /** Its thread is about to end by itself: whoever waits for an answer is told. Nothing that takes time comes to its end any more. */
  lastWords(reason: string): void {
    this.gateway.abandonAll(reason);
    this.#transport.flush();
  }

  #knownDescriptors(): KnownDescriptors | null {
    if (this.#engine.open > 0) return null;
    const { memory } = this.#engine.status();
    const connections = this.#transport.counters().connections + this.#edges.httpConnections;
    return { containers: memory.cachedContainers + memory.runningContainers, connections };
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
    this.#async.hold();
    return await within(new Promise<void>((done) => this.#engine.drain(done)), timeoutMs);
  }

  metrics(): Promise<string> {
    return this.#telemetry.text();
  }

  /**
   * Leaves everything to another process, or to the shard after this one, and ends, as if it were killed at a moment when nothing runs. Rejects, with everything going on as before, when there is no such
   * moment within `drainMs`.
   */
  async handOver(drainMs: number): Promise<void> {
    this.assertAccepting();
    const { given, stalled } = await handOverShard(
      {
        edges: this.#edges,
        engine: this.#engine,
        async: this.#async,
        gateway: this.gateway,
        holdings: this.#holdings,
        keepContainers: () => this.#driver.keepNew(),
      },
      drainMs,
    );
    this.#state = 'stopping';
    this.#stopTimers();
    await this.#async.close();
    await Promise.all([this.#telemetry.close(), this.#monitors.close()]);
    await this.#holdings.close(false);
    await this.#lifecycle.close();
    this.#transport.destroy();
    this.#log.info({ clients: given, stalled }, STABLE_MESSAGES.workerHandedOver);
  }

  #stopTimers(): void {
    this.#timer.stop();
    this.#monitors.stop();
    this.#telemetry.stop();
    this.#supervision.stop();
    this.#kept.characteristics.stop();
  }

  async stop(drainMs: number): Promise<void> {
    if (this.#state === 'stopping') return;
    await this.drain(drainMs);
    this.#state = 'stopping';
    this.#stopTimers();
    this.#async.withdraw();
    // Answers what is still open and ends the containers in the engine's own order, before their backends go.
    if (!(await within(new Promise<void>((done) => this.#engine.stop(done)), STOP_LIMIT_MS))) {
      this.#log.error({ open: this.#engine.open }, 'not everything ended in time');
    }
    await this.#async.close();
    // Edges last among what answers: whoever was accepted gets an answer before the sockets go.
    await this.#recovery.stopBackends();
    await this.#recovery.end();
    await this.#edges.close();
    await Promise.all([this.#telemetry.close(), this.#monitors.close()]);
    await this.#lifecycle.close();
    this.#transport.destroy();
    this.#log.info({}, STABLE_MESSAGES.workerStopped);
  }

  #observe(result: GatewayResult, fn: FunctionRecord | null): void {
    this.#telemetry.observe(result, fn);
    this.#monitors.arm();
    this.#supervision.arm();
    this.#kept.characteristics.arm();
  }
}

const STOP_LIMIT_MS = 10_000;
