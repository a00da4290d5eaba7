import { readFileSync } from 'node:fs';
import type { EnergyStatus } from '../config/api.js';
import type { EnergyConfig } from '../config/sections/energy.js';
import { pauseAfter } from '../core/creation/back-off.js';
import type { Engine } from '../core/engine.js';
import type { InvocationEnergy } from '../core/errors.js';
import type { FunctionRecord } from '../core/function-record.js';
import type { Invocation, Outcome } from '../core/invocation.js';
import { EnergyLedger, type LedgerRun } from '../telemetry/energy/energy-ledger.js';
import { type EnergyReading, type EnergySource, EnergySourceError } from '../telemetry/energy/energy-source.js';
import type { Log } from '../telemetry/logs/log.js';
import type { ContainerDriver } from './container-driver.js';
import { cpuTimes } from './host-load.js';
import type { BackgroundTask } from './supervision/background-task.js';

/**
 * Reads the worker's source of energy each period, has what it took divided among functions, and tells the engine of the power. A source that is missing, forbidden or lost is tried again: until
 * it is there nothing is divided, answers say no joules, and health says so; invocations are never held up by it, except as `energy.cap.whenStale` wishes.
 */

export interface EnergyMeterOptions {
  readonly config: EnergyConfig;
  /** Rejects with an EnergySourceError where it is missing or forbidden. */
  readonly open: () => Promise<EnergySource>;
  readonly engine: Pick<Engine, 'power'>;
  readonly driver: Pick<ContainerDriver, 'running'>;
  readonly task: Pick<BackgroundTask, 'runAsync' | 'pauseMs'>;
  /** µs */
  readonly now: () => number;
  readonly log: Pick<Log, 'info' | 'warn'>;
  /** What functions have got of an interval; µJ. */
  readonly divided: (functions: ReadonlyMap<FunctionRecord, number>) => void;
  /** The engine's next deadline may be nearer: what is held for the power cap goes then. */
  readonly deadlines: () => void;
  /** Gives `/proc/stat`. */
  readonly readStat?: () => string;
}

/** Readings that are older, in periods, say nothing any more. */
const STALE_PERIODS = 5;
/** A source that cannot be opened is tried again after a while: twice as long each time, up to this; ms. Of most of them it is for good, and to look for all of them starts programs. */
const LONGEST_PAUSE_MS = 60_000;
/** The kernel counts CPU time in hundredths of a second. */
const TICK_US = 10_000;

export class EnergyMeter {
  readonly #o: EnergyMeterOptions;
  readonly #ledger: EnergyLedger<FunctionRecord>;
  readonly #readStat: () => string;
  #source: EnergySource | null = null;
  #timer: NodeJS.Timeout | null = null;
  #working: Promise<void> = Promise.resolve();
  #stopped = false;
  /** Of the latest reading. */
  #readAt: number | null = null;
  #name = '';
  #failure: string | null = null;
  /** Times in a row that it could not be opened. */
  #unopened = 0;
  #machineTicks = 0;

  constructor(options: EnergyMeterOptions) {
    const { config, readStat = () => readFileSync('/proc/stat', 'utf8') } = options;
    this.#o = options;
    this.#readStat = readStat;
    this.#ledger = new EnergyLedger(config.idleWatts);
    this.#name = config.source;
  }

  start(): void {
    if (this.#stopped) return;
    const work = async (): Promise<void> => {
      await this.#o.task.runAsync(() => this.measure());
      // Also when nothing was read: a run that ended may have left somebody held.
      this.#o.deadlines();
      this.#arm();
    };
    this.#working = work();
  }

  /** An invocation that ran has ended. null = there is nothing to say. */
  ended(invocation: Invocation, { cpuUs = null }: Outcome, nowUs: number): InvocationEnergy | null {
    const { id, fn, device, runningAt } = invocation;
    if (runningAt === 0) return null;
    const run = { id, fn: fn.removed ? null : fn, onGpu: device === 'gpu', runningAt, cpuUs };
    const said = this.#ledger.ended(run, nowUs);
    if (said === null) return null;
    const { microjoules, cpuUs: totalUs, gpuUs } = said;
    return {
      joules: microjoules === null || this.stale ? null : microjoules / 1e6,
      cpuMs: totalUs === null ? null : totalUs / 1000,
      gpuMs: gpuUs / 1000,
      source: this.#name,
      settled: false,
    };
  }

  /** Of intervals that are over. */
  joulesOf(fn: FunctionRecord): number {
    return this.#ledger.of(fn) / 1e6;
  }

  forget(fn: FunctionRecord): void {
    this.#ledger.forget(fn);
  }

  /** Nothing was read for so long that nothing is known. */
  get stale(): boolean {
    const { periodMs } = this.#o.config;
    return this.#readAt === null || this.#o.now() - this.#readAt > STALE_PERIODS * periodMs * 1000;
  }

  status(): EnergyStatus {
    const { watts, idleWatts, wattsPerCore, wattsPerGpu } = this.#ledger.power;
    const { measuredUj, invocationsUj, idleUj, otherUj } = this.#ledger.totals;
    return {
      source: this.#name,
      ageMs: this.#readAt === null ? null : Math.max(0, (this.#o.now() - this.#readAt) / 1000),
      stale: this.stale,
      power: { watts, idleWatts, wattsPerCore, wattsPerGpu },
      joules: {
        measured: measuredUj / 1e6,
        invocations: invocationsUj / 1e6,
        idle: idleUj / 1e6,
        other: otherUj / 1e6,
      },
    };
  }

  /** For health. */
  notes(): string[] {
    if (this.#failure !== null) return [`energy: nothing is read from "${this.#name}": ${this.#failure}`];
    if (this.#readAt !== null && this.stale) return [`energy: "${this.#name}" has said nothing new for a while`];
    return [];
  }

  /** One look. A source that is missing, forbidden or lost is told of once; rejects with whatever else went wrong. */
  async measure(): Promise<void> {
    let reading: EnergyReading;
    try {
      reading = await this.#read();
    } catch (error) {
      if (!(error instanceof EnergySourceError)) throw error;
      const { message: reason } = error;
      if (this.#failure !== reason) this.#o.log.warn({ source: this.#name, reason }, 'energy cannot be read');
      this.#failure = reason;
      return;
    }
    if (this.#failure !== null) this.#o.log.info({ source: this.#name }, 'energy is read again');
    this.#failure = null;
    this.#divide(reading);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#working;
    await this.#source?.close();
    this.#source = null;
  }

  #arm(): void {
    if (this.#stopped) return;
    const { periodMs } = this.#o.config;
    const waitMs = this.#unopened === 0 ? periodMs : pauseAfter(this.#unopened - 1, periodMs, LONGEST_PAUSE_MS);
    this.#timer = setTimeout(() => this.start(), waitMs + this.#o.task.pauseMs);
    this.#timer.unref();
  }

  async #read(): Promise<EnergyReading> {
    if (this.#source === null) {
      this.#unopened++;
      const source = await this.#o.open();
      this.#unopened = 0;
      this.#source = source;
      this.#name = source.name;
    }
    return this.#source.read();
  }

  #divide(reading: EnergyReading): void {
    const nowUs = this.#o.now();
    const ticks = this.#ticks();
    const running: LedgerRun<FunctionRecord>[] = [];
    for (const { invocation, cpuUs } of this.#o.driver.running()) {
      const { id, fn, device, runningAt } = invocation;
      running.push({ id, fn: fn.removed ? null : fn, onGpu: device === 'gpu', runningAt, cpuUs });
    }
    const machineCpuUs = ticks === null ? 0 : (ticks - this.#machineTicks) * TICK_US;
    const closed = this.#ledger.close(reading, running, machineCpuUs, nowUs);
    if (closed === null) return;
    this.#readAt = nowUs;
    if (ticks !== null) this.#machineTicks = ticks;
    if (closed.us === 0) return;
    this.#o.divided(closed.functions);
    this.#o.engine.power(this.#ledger.power);
  }

  /** CPU time of all processes since the machine started; null = not known. */
  #ticks(): number | null {
    try {
      return cpuTimes(this.#readStat())?.used ?? null;
    } catch {
      return null;
    }
  }
}
