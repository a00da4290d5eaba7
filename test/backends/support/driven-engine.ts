import { performance } from 'node:perf_hooks';
import type { Backend, PreparedFunction } from '../../../src/backends/backend.js';
import type { FunctionDefinitionInput } from '../../../src/config/api.js';
import { workerConfigSchema } from '../../../src/config/schema.js';
import {
  configureEngine,
  Engine,
  type FunctionRecord,
  type Invocation,
  type InvocationSink,
  type Outcome,
  silentLog,
} from '../../../src/core/index.js';
import type { Log } from '../../../src/telemetry/logs/log.js';
import type { Transport } from '../../../src/transport/transport.js';
import { Holdings } from '../../../src/worker/adoption/holdings.js';
import { ContainerDriver, type PayloadOwner } from '../../../src/worker/container-driver.js';
import { EngineTimer } from '../../../src/worker/engine-timer.js';
import { prepare, specOf, until } from './harness.js';

/** What a worker is without its edges: an engine, its driver and timer, and real backends. */
export class DrivenEngine {
  readonly engine: Engine;
  readonly driver: ContainerDriver;
  readonly #backends: ReadonlyMap<string, Backend>;
  readonly #transport: Transport;
  readonly #timer: EngineTimer;
  readonly #prepared = new Map<string, PreparedFunction>();

  constructor(backends: readonly Backend[], transport: Transport, create: object) {
    this.#backends = new Map(backends.map((backend) => [backend.name, backend]));
    this.#transport = transport;
    const now = (): number => Math.floor(performance.now() * 1000);
    const log = { isLevelEnabled: () => false, error() {} } as unknown as Log;
    this.driver = new ContainerDriver({
      backends: this.#backends,
      prepared: (key, backend) => this.#prepared.get(`${key} ${backend}`),
      dropPayload: (payload) => this.#drop(payload),
      payloadBytes: (payload) => transport.bytes(payload),
      // Not opened: nothing outlives a test.
      holdings: new Holdings({ config: workerConfigSchema.parse({}), log, again() {} }),
      deadlines: () => this.#timer.arm(),
      gpuConcurrency: 1,
      tidOf: ({ tid }) => tid,
      log,
    });
    const options = configureEngine(workerConfigSchema.parse({ cpu: { slots: 4 }, create }), {
      clock: { now },
      port: this.driver,
      log: silentLog,
      backends: [...this.#backends.keys()],
      cores: 2,
      machineMemoryMb: 2000,
      cancelGraceUs: 500_000,
      discard: (payload) => this.#drop(payload),
    });
    this.engine = new Engine(options);
    this.driver.bind(this.engine);
    this.#timer = new EngineTimer(this.engine, now);
  }

  async register(definition: FunctionDefinitionInput): Promise<FunctionRecord> {
    const record = this.engine.register(specOf(definition));
    for (const name of record.spec.backends) {
      const backend = this.#backends.get(name) as Backend;
      this.#prepared.set(`${record.key} ${name}`, await prepare(backend, definition));
    }
    return record;
  }

  invoke(fn: FunctionRecord, args: unknown): Promise<{ invocation: Invocation; outcome: Outcome; result: unknown }> {
    return new Promise((resolve) => {
      let payload: string | null = JSON.stringify(args);
      const sink: InvocationSink & PayloadOwner = {
        takePayload() {
          const given = payload;
          payload = null;
          return given;
        },
        settled: (invocation, outcome) => resolve({ invocation, outcome, result: this.#result(outcome.payload) }),
      };
      this.engine.invoke(fn, null, 0, '', sink);
      this.#timer.arm();
    });
  }

  prewarm(fn: FunctionRecord, count: number): Promise<{ ready: number; attempts: number }> {
    return new Promise((resolve) => {
      this.engine.prewarm(fn, count, { settled: (ready, _failure, attempts) => resolve({ ready, attempts }) });
      this.#timer.arm();
    });
  }

  /** Everything is answered: removes all containers; one that nobody needs any more may be on its way still. Resolves when their memory is free. */
  async clean(): Promise<void> {
    await until(() => {
      this.engine.clean();
      return this.engine.status().memory.totalMb === 0;
    });
    await this.driver.settled();
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.engine.stop(resolve));
    this.#timer.stop();
    await this.driver.settled();
  }

  #result(payload: unknown): unknown {
    if (payload === null) return undefined;
    const bytes = typeof payload === 'number' ? this.#transport.body(payload) : (payload as Uint8Array);
    this.#drop(payload);
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  }

  #drop(payload: unknown): void {
    if (typeof payload === 'number') this.#transport.drop(payload);
  }
}
