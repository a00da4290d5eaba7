import { availableParallelism } from 'node:os';
import type { WorkerConfig } from '../config/schema.js';
import type { Engine } from '../core/index.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import type { ContainerDriver } from './container-driver.js';
import { HostPressure } from './host-pressure.js';
import { JetsonFeed } from './jetson-feed.js';
import { LoadMonitor } from './load-monitor.js';
import { MemorySampler } from './memory-sampler.js';
import { PressureMonitor } from './pressure-monitor.js';
import { now } from './shard-engine.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What tells a shard's engine of the machine it runs on: memory that containers use, the host's memory pressure, its load, the board when it is a Jetson. */

export interface ShardMonitorsOptions {
  readonly config: WorkerConfig;
  readonly engine: Engine;
  readonly driver: ContainerDriver;
  readonly supervision: ShardSupervision;
  readonly log: Log;
  /** The engine's next deadline may be nearer. */
  deadlines(): void;
}

export class ShardMonitors {
  readonly #load: LoadMonitor;
  readonly #sampler: MemorySampler;
  readonly #pressure: PressureMonitor;
  /** Null = this is no Jetson, or nobody wants to watch it. */
  readonly jetson: JetsonFeed | null;

  constructor({ config, engine, driver, supervision, log, deadlines }: ShardMonitorsOptions) {
    this.#load = new LoadMonitor(engine, {
      task: supervision.background('load-monitor'),
      enabled: config.cpu.oversubscribe.maxSlots > 0,
      periodMs: config.cpu.oversubscribe.checkMs,
      cores: availableParallelism(),
    });
    this.#sampler = new MemorySampler(driver, config.memory.sampleMs, supervision.background('memory-sampler'));
    this.#pressure = new PressureMonitor({
      engine,
      source: new HostPressure(),
      settings: config.memory.pressure,
      now,
      task: supervision.background('pressure-monitor'),
      log: moduleLog(log, 'memory'),
    });
    this.jetson = JetsonFeed.create({ config, engine, supervision, log, deadlines });
  }

  get memoryReads(): number {
    return this.#sampler.reads;
  }

  configure({ memory }: WorkerConfig, someUnlimited: boolean): void {
    this.#sampler.periodMs = memory.sampleMs;
    this.#pressure.configure(memory.pressure, someUnlimited);
  }

  /** Whether there is a function whose containers may use as much memory as they like. */
  unlimitedFunctions(some: boolean): void {
    this.#pressure.unlimitedFunctions(some);
  }

  /** Something has run, or is there to be evicted. */
  arm(): void {
    this.#sampler.arm();
    this.#pressure.arm();
  }

  /** Starts what others are asked by. */
  start(): void {
    this.jetson?.start();
  }

  /** Resolves when no program that it asks is left. After `stop`. */
  async close(): Promise<void> {
    await this.jetson?.stop();
  }

  stop(): void {
    this.#load.stop();
    this.#sampler.stop();
    this.#pressure.stop();
  }
}
