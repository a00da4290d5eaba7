import type { Device } from '../function.js';

export interface PowerCapOptions {
  /** Mean power of a period that invocations are held back for; W, 0 = none. */
  readonly watts: number;
  readonly version: 'projected' | 'v0' | 'v1';
  /** Of the readings. */
  readonly periodUs: number;
  /** However high the power, one invocation of each device's queue is let through after so long. */
  readonly maxHoldUs: number;
  /** A reading that is older says nothing any more. */
  readonly staleUs: number;
  /** What is done then: hold nothing back, hold everything back (within `maxHoldUs`), or go on with the old reading. */
  readonly whenStale: 'assume-free' | 'assume-busy' | 'ignore';
}

/** What was measured of the period that has just ended. */
export interface PowerReading {
  /** Mean; W. */
  readonly watts: number;
  /** Of the idle machine, as far as it is known; 0 = not at all. */
  readonly idleWatts: number;
  /** What one busy core adds, and one busy GPU; W, 0 = not known yet. */
  readonly wattsPerCore: number;
  readonly wattsPerGpu: number;
}

/** What one invocation is expected to take of the machine. */
export interface PowerDemand {
  /** Busy cores while it runs; may be a fraction. */
  readonly cores: number;
  readonly gpus: number;
  /** How long it runs; µs, 0 = not known: taken for longer than a period. */
  readonly runUs: number;
}

/** One invocation that runs, or one container that is being made. */
export class PowerDraw {
  readonly cores: number;
  readonly gpus: number;
  watts: number;
  /** From when on this period counts it. */
  sinceUs: number;
  /** Still to run then, as far as is known. */
  leftUs: number;
  /** What it was counted with, of this period's energy and of the next one's; µJ. */
  nowUj = 0;
  nextUj = 0;

  constructor({ cores, gpus, runUs }: PowerDemand, watts: number, nowUs: number) {
    this.cores = cores;
    this.gpus = gpus;
    this.watts = watts;
    this.sinceUs = nowUs;
    this.leftUs = runUs === 0 ? Number.POSITIVE_INFINITY : runUs;
  }
}

/** Of Ilúvatar's V1, for a second of execution; W. */
const V1_WATTS = 2;
/** After so many readings that showed nothing of what ran, nothing is to be learned of them: the source does not see it. */
const LESSONS = 10;

/**
 * Holds invocations back while the machine would need more power than it may. A reading tells the mean power of the period before it; what the invocations of that period took of it, by what a busy
 * core was found to add, is taken off, and the rest (the idle machine and whatever else runs on it) is expected to stay. Each invocation adds what it is expected to take in this period and, if it lasts, in the
 * next: neither may exceed the cap's energy. What ends is counted with what it took; what has begun counts at once and not when a reading shows it. So a burst between two readings is held back as well, which
 * Ilúvatar's V0 (power below the cap) and V1 (the same, with 2 W for the function's time) let through.
 *
 * What a busy core adds is learned from readings. Until it is, one runs at a time: what begins in a worker's first seconds may run for hours.
 *
 * Nothing starves: while nothing runs one invocation always may, and the head of a queue that has been held for `maxHoldUs` goes.
 */
export class PowerCap {
  /** Times that a queue's head was held, and those of them that lasted as long as they may. */
  holds = 0;
  forced = 0;
  readonly #o: PowerCapOptions;
  #watts: number;
  readonly #running = new Set<PowerDraw>();
  /** What invocations do not explain of the last reading; W. */
  #baseWatts = 0;
  #wattsPerCore = 0;
  #wattsPerGpu = 0;
  #readWatts = 0;
  #readAt = Number.NEGATIVE_INFINITY;
  /** Since when a reading is missed; µs. */
  #askedAt = Number.POSITIVE_INFINITY;
  /** Readings while something ran. */
  #lessons = 0;
  #periodAt = 0;
  /** Of this period and of the next, by all that run and have run in it. */
  #nowUj = 0;
  #nextUj = 0;
  /** By invocations, in periods that ended since the last reading. */
  #spentUj = 0;
  readonly #heldSince: Record<Device, number> = { cpu: Number.POSITIVE_INFINITY, gpu: Number.POSITIVE_INFINITY };
  #wakeAt = Number.POSITIVE_INFINITY;

  constructor(options: PowerCapOptions) {
    this.#o = options;
    this.#watts = options.watts;
  }

  /** W; 0 = nothing is held back. */
  get watts(): number {
    return this.#watts;
  }

  resize(watts: number): void {
    this.#watts = watts;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Something that was held may go then; Infinity = nothing is held. */
  get wakeAt(): number {
    return this.#wakeAt;
  }

  /** Mean of this period as it is expected; W. */
  get projectedWatts(): number {
    return this.#baseWatts + this.#nowUj / this.#o.periodUs;
  }

  get held(): boolean {
    return this.#heldSince.cpu !== Number.POSITIVE_INFINITY || this.#heldSince.gpu !== Number.POSITIVE_INFINITY;
  }

  /** The head of this device's queue would go now. False = it is held, and there is something to do at `wakeAt` at the latest. */
  admits(device: Device, demand: PowerDemand, nowUs: number): boolean {
    if (this.fits(demand, nowUs)) return true;
    const since = this.#heldSince[device];
    if (since === Number.POSITIVE_INFINITY) {
      this.#heldSince[device] = nowUs;
      this.holds++;
    } else if (nowUs - since >= this.#o.maxHoldUs) return true;
    const holdEnds = this.#heldSince[device] + this.#o.maxHoldUs;
    this.#wakeAt = Math.min(this.#wakeAt, holdEnds, Math.max(nowUs + 1, this.#periodAt + this.#o.periodUs));
    return false;
  }

  /** The head of this device's queue has gone, whoever it was. */
  placed(device: Device, nowUs: number): void {
    if (nowUs - this.#heldSince[device] >= this.#o.maxHoldUs) this.forced++;
    this.#heldSince[device] = Number.POSITIVE_INFINITY;
  }

  /** Nothing is queued for this device. */
  empty(device: Device): void {
    this.#heldSince[device] = Number.POSITIVE_INFINITY;
  }

  /** Time has passed: what is held is to be looked at again. */
  tick(nowUs: number): void {
    if (this.#wakeAt <= nowUs) this.#wakeAt = Number.POSITIVE_INFINITY;
  }

  /** Whether one more stays below the cap. */
  fits(demand: PowerDemand, nowUs: number): boolean {
    const cap = this.#watts;
    if (cap === 0 || this.#running.size === 0) return true;
    const { version, whenStale, staleUs, periodUs } = this.#o;
    this.#askedAt = Math.min(this.#askedAt, nowUs);
    const never = this.#readAt === Number.NEGATIVE_INFINITY;
    if (nowUs - (never ? this.#askedAt : this.#readAt) > staleUs) {
      if (whenStale !== 'ignore') return whenStale === 'assume-free';
      if (never) return true;
    }
    if (version === 'v0') return this.#readWatts < cap;
    if (version === 'v1') return this.#readWatts * periodUs + V1_WATTS * demand.runUs <= cap * periodUs;
    if (this.#wattsPerCore === 0 && this.#wattsPerGpu === 0 && this.#lessons < LESSONS) return false;
    if (nowUs >= this.#periodAt + periodUs) this.#begin(nowUs);
    const watts = this.#wattsOf(demand);
    const restUs = this.#restUs(nowUs);
    const runUs = demand.runUs === 0 ? Number.POSITIVE_INFINITY : demand.runUs;
    const roomUj = (cap - this.#baseWatts) * periodUs;
    if (this.#nowUj + watts * Math.min(runUs, restUs) > roomUj) return false;
    return this.#nextUj + watts * Math.min(Math.max(0, runUs - restUs), periodUs) <= roomUj;
  }

  began(demand: PowerDemand, nowUs: number): PowerDraw {
    if (nowUs >= this.#periodAt + this.#o.periodUs) this.#begin(nowUs);
    const draw = new PowerDraw(demand, this.#wattsOf(demand), nowUs);
    this.#running.add(draw);
    this.#count(draw);
    return draw;
  }

  ended(draw: PowerDraw, nowUs: number): void {
    this.#running.delete(draw);
    this.#nowUj += draw.watts * (nowUs - draw.sinceUs) - draw.nowUj;
    this.#nextUj -= draw.nextUj;
  }

  reading({ watts, idleWatts, wattsPerCore, wattsPerGpu }: PowerReading, nowUs: number): void {
    const sinceUs = nowUs - this.#readAt;
    this.#begin(nowUs);
    if (this.#spentUj > 0 || this.#running.size > 0) this.#lessons++;
    // Of the first one it is not known of which time it is.
    const invocationsWatts = Number.isFinite(sinceUs) && sinceUs > 0 ? this.#spentUj / sinceUs : 0;
    // Where invocations were expected to take more than they did, less than nothing would be left.
    this.#baseWatts = Math.max(Math.min(idleWatts, watts), watts - invocationsWatts);
    this.#readWatts = watts;
    this.#readAt = nowUs;
    this.#spentUj = 0;
    if (wattsPerCore === this.#wattsPerCore && wattsPerGpu === this.#wattsPerGpu) return;
    this.#wattsPerCore = wattsPerCore;
    this.#wattsPerGpu = wattsPerGpu;
    this.#recount();
  }

  /** A period begins now; the one before is over, whether anything was read of it or not. O(running). */
  #begin(nowUs: number): void {
    let spentUj = this.#nowUj;
    for (const draw of this.#running) {
      const usedUs = nowUs - draw.sinceUs;
      spentUj += draw.watts * usedUs - draw.nowUj;
      draw.sinceUs = nowUs;
      // One that takes longer than it was expected to may take long.
      draw.leftUs = draw.leftUs > usedUs ? draw.leftUs - usedUs : Number.POSITIVE_INFINITY;
    }
    this.#spentUj += spentUj;
    this.#periodAt = nowUs;
    this.#recount();
  }

  #recount(): void {
    this.#nowUj = 0;
    this.#nextUj = 0;
    for (const draw of this.#running) {
      draw.watts = this.#wattsOf(draw);
      this.#count(draw);
    }
  }

  #count(draw: PowerDraw): void {
    const restUs = this.#restUs(draw.sinceUs);
    draw.nowUj = draw.watts * Math.min(draw.leftUs, restUs);
    draw.nextUj = draw.watts * Math.min(Math.max(0, draw.leftUs - restUs), this.#o.periodUs);
    this.#nowUj += draw.nowUj;
    this.#nextUj += draw.nextUj;
  }

  #restUs(nowUs: number): number {
    return Math.max(0, this.#periodAt + this.#o.periodUs - nowUs);
  }

  #wattsOf({ cores, gpus }: { readonly cores: number; readonly gpus: number }): number {
    return cores * this.#wattsPerCore + gpus * this.#wattsPerGpu;
  }
}
