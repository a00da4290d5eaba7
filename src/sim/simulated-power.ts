import type { FunctionRecord, Invocation } from '../core/index.js';
import {
  EnergyLedger,
  type EnergyTotals,
  type LedgerRun,
  type PowerFigures,
} from '../telemetry/energy/energy-ledger.js';

/** A machine's power, modelled: so much when nothing runs, and so much more for each busy core and each busy GPU. W. */
export interface PowerModel {
  readonly idleWatts: number;
  readonly wattsPerCore: number;
  readonly wattsPerGpu: number;
}

/**
 * The modelled energy of a simulated machine, and its division: what a live worker reads of its source, and does with it. A run keeps as many cores busy as its function has `cpus`, one on a GPU that as
 * well, and a container that is being made one core; together never more than the machine has.
 */
export class SimulatedPower {
  /** Greatest mean of a period; W. */
  maxWatts = 0;
  /** Length of all periods that were read. */
  readUs = 0;
  readonly #model: PowerModel;
  readonly #cores: number;
  readonly #ledger = new EnergyLedger<FunctionRecord>(0);
  readonly #running = new Set<Invocation>();
  #busyCores = 0;
  #busyGpus = 0;
  #joules = 0;
  /** Of it what GPUs took. */
  #gpuJoules = 0;
  /** CPU time of all since the last reading; µs. */
  #cpuUs = 0;
  #countedAt = 0;

  constructor(model: PowerModel, cores: number) {
    this.#model = model;
    this.#cores = cores;
  }

  get totals(): EnergyTotals {
    return this.#ledger.totals;
  }

  /** Since the beginning of time. */
  joulesAt(now: number): number {
    this.#advance(now);
    return this.#joules;
  }

  /** So many containers more are being made. */
  creating(count: number, now: number): void {
    this.#advance(now);
    this.#busyCores += count;
  }

  began(invocation: Invocation, now: number): void {
    this.#advance(now);
    this.#running.add(invocation);
    this.#busyCores += invocation.fn.spec.cpus;
    if (invocation.device === 'gpu') this.#busyGpus++;
  }

  /** However it ended. Returns its CPU time; µs. */
  ended(invocation: Invocation, now: number): number {
    this.#advance(now);
    this.#running.delete(invocation);
    this.#busyCores -= invocation.fn.spec.cpus;
    if (invocation.device === 'gpu') this.#busyGpus--;
    const run = this.#run(invocation, now);
    this.#ledger.ended(run, now);
    return run.cpuUs;
  }

  /** A period is over: divides it, and gives what a reading says. null = it is the first, and there is nothing to say. */
  read(now: number): PowerFigures | null {
    const joules = this.joulesAt(now);
    const gpu = { name: 'gpu', joules: this.#gpuJoules, watts: 0, feeds: 'gpu', inTotal: true } as const;
    const reading = { atUs: now, joules, watts: 0, estimated: false, domains: [gpu] };
    const running = [...this.#running].map((invocation) => this.#run(invocation, now));
    const closed = this.#ledger.close(reading, running, this.#cpuUs, now);
    if (closed === null) return null;
    this.#cpuUs = 0;
    if (closed.us === 0) return null;
    this.readUs += closed.us;
    const { power } = this.#ledger;
    this.maxWatts = Math.max(this.maxWatts, power.watts);
    return power;
  }

  #run(invocation: Invocation, now: number): LedgerRun<FunctionRecord> & { readonly cpuUs: number } {
    const { id, fn, device, runningAt } = invocation;
    const cpuUs = Math.round((now - runningAt) * fn.spec.cpus);
    return { id, fn, onGpu: device === 'gpu', runningAt, cpuUs };
  }

  #advance(now: number): void {
    const us = now - this.#countedAt;
    if (us <= 0) return;
    const { idleWatts, wattsPerCore, wattsPerGpu } = this.#model;
    const cores = Math.min(this.#busyCores, this.#cores);
    const gpuJoules = (wattsPerGpu * this.#busyGpus * us) / 1e6;
    this.#cpuUs += cores * us;
    this.#gpuJoules += gpuJoules;
    this.#joules += ((idleWatts + wattsPerCore * cores) * us) / 1e6 + gpuJoules;
    this.#countedAt = now;
  }
}
