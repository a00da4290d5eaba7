import { availableParallelism } from 'node:os';
import type { EnergyStatus } from '../config/api.js';
import { dividesEnergy } from '../config/energy-use.js';
import type { WorkerConfig } from '../config/schema.js';
import type { Engine, FunctionRecord } from '../core/index.js';
import type { EnergySource } from '../telemetry/energy/energy-source.js';
import { openEnergySource } from '../telemetry/energy/open-source.js';
import { type Log, moduleLog } from '../telemetry/logs/log.js';
import type { ContainerDriver } from './container-driver.js';
import { EnergyMeter } from './energy-meter.js';
import { HostPressure } from './host-pressure.js';
import { JetsonFeed } from './jetson-feed.js';
import { LoadMonitor } from './load-monitor.js';
import { MemorySampler } from './memory-sampler.js';
import { PressureMonitor } from './pressure-monitor.js';
import { now } from './shard-engine.js';
import type { ShardSupervision } from './supervision/shard-supervision.js';

/** What tells a shard's engine of the machine it runs on: memory that containers use, the host's memory pressure, its load, its energy, the board when it is a Jetson. */

export interface ShardMonitorsOptions {
  readonly config: WorkerConfig;
  readonly engine: Engine;
  readonly driver: ContainerDriver;
  readonly supervision: ShardSupervision;
  readonly log: Log;
  /** What functions have got of an interval's energy; µJ. */
  readonly divided: (functions: ReadonlyMap<FunctionRecord, number>) => void;
  /** The engine's next deadline may be nearer. */
  deadlines(): void;
}

export class ShardMonitors {
  readonly #load: LoadMonitor;
  readonly #sampler: MemorySampler;
  readonly #pressure: PressureMonitor;
  /** null = its energy is not divided. */
  readonly energy: EnergyMeter | null;
  /** Null = this is no Jetson, or nobody wants to watch it. */
  readonly jetson: JetsonFeed | null;

  constructor({ config, engine, driver, supervision, log, divided, deadlines }: ShardMonitorsOptions) {
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
    const energyLog = moduleLog(log, 'energy');
    this.energy = !dividesEnergy(config.energy)
      ? null
      : new EnergyMeter({
          config: config.energy,
          // Of `none` there is no meter.
          open: async () => (await openEnergySource(config, energyLog)) as EnergySource,
          engine,
          driver,
          task: supervision.background('energy-meter'),
          now,
          log: energyLog,
          divided,
          deadlines,
        });
  }

  get memoryReads(): number {
    return this.#sampler.reads;
  }

  energyStatus(): EnergyStatus | null {
    return this.energy?.status() ?? null;
  }

  /** For health. */
  notes(): string[] {
    return this.energy?.notes() ?? [];
  }

  configure({ memory }: WorkerConfig, someUnlimited: boolean): void {
    this.#sampler.periodMs = memory.sampleMs;
    this.#pressure.configure(memory.pressure, someUnlimited);
  }

  /** Whether there is a function whose containers may use as much memory as they like. */
  unlimitedFunctions(some: boolean): void {
    this.#pressure.unlimitedFunctions(some);
  }

  unregistered(record: FunctionRecord, someUnlimited: boolean): void {
    this.energy?.forget(record);
    this.unlimitedFunctions(someUnlimited);
  }

  /** Something has run, or is there to be evicted. */
  arm(): void {
    this.#sampler.arm();
    this.#pressure.arm();
  }

  /** Starts what others are asked by. */
  start(): void {
    this.jetson?.start();
    this.energy?.start();
  }

  /** Resolves when no program that it asks is left. After `stop`. */
  async close(): Promise<void> {
    await Promise.all([this.jetson?.stop(), this.energy?.stop()]);
  }

  stop(): void {
    this.#load.stop();
    this.#sampler.stop();
    this.#pressure.stop();
  }
}
