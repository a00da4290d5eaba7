import { divideEnergy, type EnergyUse } from './divide-energy.js';
import type { EnergyReading } from './energy-source.js';
import { IdlePower } from './idle-power.js';
import { IntervalReader } from './read-interval.js';

/**
 * Who has taken the energy that was read: functions, the idle machine, and others. It is told of each run's end, and at the end of each interval of what goes on; then the interval is divided. A run
 * that crosses intervals has a part of each. Sums are whole microjoules, and add up to what the source has counted.
 */

/** One run, as it is when it is looked at. */
export interface LedgerRun<Fn> {
  /** Unique among runs that go on. */
  readonly id: number;
  /** null = one that is no more. */
  readonly fn: Fn | null;
  readonly onGpu: boolean;
  /** When it began: the clock of the ledger's owner, µs. */
  readonly runningAt: number;
  /** CPU time so far; µs, null = not measured. */
  readonly cpuUs: number | null;
}

export interface RunEnergy {
  /** Null = nothing is known yet of what CPU time takes. */
  readonly microjoules: number | null;
  readonly cpuUs: number | null;
  readonly gpuUs: number;
}

/** Since the ledger began; µJ. `measured` is the sum of the others. */
export interface EnergyTotals {
  readonly measuredUj: number;
  readonly invocationsUj: number;
  readonly idleUj: number;
  readonly otherUj: number;
}

/** What was found in the latest interval; W. */
export interface PowerFigures {
  /** Mean. */
  readonly watts: number;
  readonly idleWatts: number;
  /** What one busy core adds, and one busy GPU; smoothed, 0 = not known yet. */
  readonly wattsPerCore: number;
  readonly wattsPerGpu: number;
}

/** What was divided; 0 µs = nothing, it is where the first interval begins. */
export interface ClosedInterval<Fn> {
  readonly us: number;
  /** What each has got; µJ. */
  readonly functions: ReadonlyMap<Fn, number>;
}

interface Use {
  cpuUs: number;
  gpuUs: number;
}

/** A run that went on at the end of an interval: what has been divided of it. */
interface Counted {
  readonly runningAt: number;
  cpuUs: number;
  untilUs: number;
  microjoules: number;
}

/** Of the new value, in what is smoothed. */
const NEW = 0.5;
/** Of one core: with less to go by, a rate is noise. */
const LEAST_BUSY = 0.02;

export class EnergyLedger<Fn extends object> {
  /** W, 0 = learned. */
  readonly #idleWatts: number;
  readonly #reader = new IntervalReader();
  readonly #idleCpu = new IdlePower();
  readonly #idleGpu = new IdlePower();
  /** Of runs that have ended in this interval; null = of functions that are no more. */
  #ended = new Map<Fn | null, Use>();
  #counted = new Map<number, Counted>();
  readonly #functions = new Map<Fn, number>();
  #wattsPerCore = 0;
  #wattsPerGpu = 0;
  #watts = 0;
  #totals: EnergyTotals = { measuredUj: 0, invocationsUj: 0, idleUj: 0, otherUj: 0 };

  /** `idleWatts`: of the machine when nothing runs; 0 = it is learned. */
  constructor(idleWatts: number) {
    this.#idleWatts = idleWatts;
  }

  get totals(): EnergyTotals {
    return this.#totals;
  }

  get power(): PowerFigures {
    const idleWatts = this.#idleWatts === 0 ? this.#idleCpu.watts + this.#idleGpu.watts : this.#idleWatts;
    return { watts: this.#watts, idleWatts, wattsPerCore: this.#wattsPerCore, wattsPerGpu: this.#wattsPerGpu };
  }

  /** Of intervals that are over; µJ. */
  of(fn: Fn): number {
    return this.#functions.get(fn) ?? 0;
  }

  /** It is registered no more. What it took stays in the sum of all invocations. */
  forget(fn: Fn): void {
    this.#functions.delete(fn);
    const use = this.#ended.get(fn);
    if (use === undefined) return;
    this.#ended.delete(fn);
    this.#add(null, use.cpuUs, use.gpuUs);
  }

  /** A run has ended. `cpuUs` null: not measured, or it ended without a word: then what was seen of it last counts. null = there is nothing to say. */
  ended({ id, fn, onGpu, runningAt, cpuUs }: LedgerRun<Fn>, nowUs: number): RunEnergy | null {
    const before = this.#before(id, runningAt);
    this.#counted.delete(id);
    const totalUs = cpuUs ?? before?.cpuUs ?? null;
    if (totalUs === null && !onGpu) return null;
    const ownUs = totalUs === null ? 0 : Math.max(0, totalUs - (before?.cpuUs ?? 0));
    const gpuUs = onGpu ? Math.max(0, nowUs - (before?.untilUs ?? runningAt)) : 0;
    this.#add(fn, ownUs, gpuUs);
    return {
      microjoules: this.#estimate(before?.microjoules ?? 0, ownUs, gpuUs),
      cpuUs: totalUs,
      gpuUs: onGpu ? nowUs - runningAt : 0,
    };
  }

  /**
   * An interval is over. `running`: what goes on, at this moment; `machineCpuUs`: of all processes since the last time that this gave something, 0 = not known. null = there is nothing new to divide, and the
   * interval goes on. The first reading only says where the first interval begins.
   */
  close(
    reading: EnergyReading,
    running: readonly LedgerRun<Fn>[],
    machineCpuUs: number,
    nowUs: number,
  ): ClosedInterval<Fn> | null {
    const interval = this.#reader.next(reading);
    if (interval === null) return null;
    const uses: EnergyUse[] = [];
    const owners: (Fn | null)[] = [];
    for (const [fn, use] of this.#ended) {
      owners.push(fn);
      uses.push(use);
    }
    const counted = running.map((run) => this.#count(run, nowUs));
    for (const [index, { use }] of counted.entries()) {
      owners.push(running[index]?.fn ?? null);
      uses.push(use);
    }
    const { us, totalUj, cpuUj, gpuUj, restUj } = interval;
    const cpuUs = sum(uses, (use) => use.cpuUs);
    const gpuUs = sum(uses, (use) => use.gpuUs);
    if (us > 0) {
      this.#watts = totalUj / us;
      this.#idleCpu.seen(cpuUj / us, Math.max(cpuUs, machineCpuUs) / us);
      this.#idleGpu.seen(gpuUj / us, gpuUs / us);
    }
    const { idleCpuUj, idleGpuUj } = this.#idle(us, cpuUj);
    const { shares, idleUj, otherUj } = divideEnergy(
      { cpuUj, gpuUj, restUj, idleCpuUj, idleGpuUj, machineCpuUs },
      uses,
    );
    this.#wattsPerCore = smoothed(this.#wattsPerCore, cpuUj - idleCpuUj, Math.max(cpuUs, machineCpuUs), us);
    this.#wattsPerGpu = smoothed(this.#wattsPerGpu, gpuUj - idleGpuUj, gpuUs, us);
    const given = this.#give(owners, shares);
    for (const [index, { after }] of counted.entries()) {
      after.microjoules += shares[this.#ended.size + index] as number;
    }
    this.#counted = new Map(running.map(({ id }, index) => [id, (counted[index] as { after: Counted }).after]));
    this.#ended = new Map();
    const { measuredUj, invocationsUj, idleUj: idle, otherUj: other } = this.#totals;
    this.#totals = {
      measuredUj: measuredUj + totalUj,
      invocationsUj: invocationsUj + sum(shares, (share) => share),
      idleUj: idle + idleUj,
      otherUj: other + otherUj,
    };
    return { us, functions: given };
  }

  #before(id: number, runningAt: number): Counted | undefined {
    const before = this.#counted.get(id);
    // Another attempt of the same invocation begins anew.
    return before?.runningAt === runningAt ? before : undefined;
  }

  #count({ id, onGpu, runningAt, cpuUs }: LedgerRun<Fn>, nowUs: number): { use: EnergyUse; after: Counted } {
    const before = this.#before(id, runningAt);
    const counted = before?.cpuUs ?? 0;
    const totalUs = Math.max(counted, cpuUs ?? 0);
    const gpuUs = onGpu ? Math.max(0, nowUs - (before?.untilUs ?? runningAt)) : 0;
    const microjoules = before?.microjoules ?? 0;
    return {
      use: { cpuUs: totalUs - counted, gpuUs },
      after: { runningAt, cpuUs: totalUs, untilUs: nowUs, microjoules },
    };
  }

  #add(fn: Fn | null, cpuUs: number, gpuUs: number): void {
    const use = this.#ended.get(fn);
    if (use === undefined) this.#ended.set(fn, { cpuUs, gpuUs });
    else {
      use.cpuUs += cpuUs;
      use.gpuUs += gpuUs;
    }
  }

  #estimate(settledUj: number, cpuUs: number, gpuUs: number): number | null {
    if (this.#wattsPerCore === 0 && this.#wattsPerGpu === 0 && settledUj === 0) return null;
    return settledUj + Math.round(this.#wattsPerCore * cpuUs + this.#wattsPerGpu * gpuUs);
  }

  /** One number for the whole machine goes to what CPU time divides first: it is the whole of it wherever no GPU is measured apart. */
  #idle(us: number, cpuUj: number): { idleCpuUj: number; idleGpuUj: number } {
    if (this.#idleWatts === 0) {
      return { idleCpuUj: Math.round(this.#idleCpu.watts * us), idleGpuUj: Math.round(this.#idleGpu.watts * us) };
    }
    const idleUj = Math.round(this.#idleWatts * us);
    const idleCpuUj = Math.min(idleUj, cpuUj);
    return { idleCpuUj, idleGpuUj: idleUj - idleCpuUj };
  }

  #give(owners: readonly (Fn | null)[], shares: readonly number[]): Map<Fn, number> {
    const given = new Map<Fn, number>();
    for (const [index, fn] of owners.entries()) {
      if (fn !== null) given.set(fn, (given.get(fn) ?? 0) + (shares[index] as number));
    }
    for (const [fn, microjoules] of given) this.#functions.set(fn, this.of(fn) + microjoules);
    return given;
  }
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  return items.reduce((total, item) => total + of(item), 0);
}

/** W of one that is busy all the time. `before` 0 = the first. */
function smoothed(before: number, energyUj: number, busyUs: number, us: number): number {
  if (us === 0 || busyUs < LEAST_BUSY * us) return before;
  const watts = Math.max(0, energyUj) / busyUs;
  return before === 0 ? watts : NEW * watts + (1 - NEW) * before;
}
