import { type DetailedDistribution, detailedDistributionOf } from './distribution.js';
import { Histogram } from './histogram.js';
import type { InvocationRow } from './invocation-row.js';
import type { LoadRow } from './load-row.js';

/** What is measured of each invocation, in µs; the definitions of these names, in one place. */
export const MEASURES = {
  latency: 'from when it was meant to be sent to its answer: no wait is left out',
  service: 'from when it was sent to its answer',
  queue: 'in the queue, as the worker says',
  create: 'making its container, as the worker says; of those that had one made',
  run: 'inside its container, as the worker says',
  overhead: 'from when it was sent to its answer, less what the function itself took',
  lag: 'from when it was meant to be sent to when it was: how late the generator was',
} as const;

export type Measure = keyof typeof MEASURES;
export type MeasuredUs = Readonly<Record<Measure, DetailedDistribution>>;

const NAMES = Object.keys(MEASURES) as Measure[];

/** A row of a table of invocations: what only loads have may be absent. */
export type ResultRow = InvocationRow & Partial<LoadRow>;

/** The function has ended it, well or with an error of its own: only of these do lengths of time say something about the function and its platform. */
export function isAnswered({ outcome }: ResultRow): boolean {
  return outcome === 'ok' || outcome === 'user_error';
}

/** What the function itself took, µs: as it says, else as the worker says; -1 = nobody says. */
export function ownTimeUs(row: ResultRow): number {
  const { codeUs = -1 } = row;
  return codeUs >= 0 ? codeUs : runTimeUs(row);
}

/** In its container, µs: as the worker says, else (in a simulation) from beginning to end; -1 = nobody says. */
export function runTimeUs({ runUs, startUs, endUs }: ResultRow): number {
  if (runUs !== undefined) return runUs;
  return startUs >= 0 ? endUs - startUs : -1;
}

/** Energy above idling of those invocations of which it is known. */
export interface EnergySummary {
  readonly invocations: number;
  readonly joules: number;
  readonly meanJoules: number;
}

/** Invocations of one kind, counted: of a function, of a step, or of all. */
export class Counts {
  invocations = 0;
  ok = 0;
  /** Those whose container's state the worker has said, and of these the cold ones. */
  stated = 0;
  cold = 0;
  /** The same by the function's own word. */
  codeStated = 0;
  codeCold = 0;
  /** Those of which the worker has said what they took, and what that was; µJ. */
  energyStated = 0;
  energyUj = 0;

  add(row: ResultRow): void {
    this.invocations++;
    if (row.outcome === 'ok') this.ok++;
    if (row.state !== '') {
      this.stated++;
      if (row.state === 'cold') this.cold++;
    }
    const { codeCold = -1, energyUj = -1 } = row;
    if (energyUj >= 0) {
      this.energyStated++;
      this.energyUj += energyUj;
    }
    if (codeCold >= 0) {
      this.codeStated++;
      this.codeCold += codeCold;
    }
  }

  merge(other: Counts): void {
    this.invocations += other.invocations;
    this.ok += other.ok;
    this.stated += other.stated;
    this.cold += other.cold;
    this.codeStated += other.codeStated;
    this.codeCold += other.codeCold;
    this.energyStated += other.energyStated;
    this.energyUj += other.energyUj;
  }

  /** By the worker's word; null = it said of none. */
  get coldRatio(): number | null {
    return this.stated === 0 ? null : this.cold / this.stated;
  }

  /** As the worker said at their ends; null = it said of none. */
  get energy(): EnergySummary | null {
    const { energyStated: invocations, energyUj } = this;
    if (invocations === 0) return null;
    return { invocations, joules: energyUj / 1e6, meanJoules: energyUj / 1e6 / invocations };
  }

  get codeColdRatio(): number | null {
    return this.codeStated === 0 ? null : this.codeCold / this.codeStated;
  }
}

/** Histograms of every measure over some invocations. */
export class MeasureHistograms {
  readonly counts = new Counts();
  /** Of warm invocations: what the function itself took. */
  readonly warm = new Histogram();
  /** Of how many the overhead was worked out with the function's word, and with the worker's. */
  ownByFunction = 0;
  ownByWorker = 0;
  readonly #of: Readonly<Record<Measure, Histogram>>;

  constructor() {
    this.#of = Object.fromEntries(NAMES.map((name) => [name, new Histogram()])) as Record<Measure, Histogram>;
  }

  of(measure: Measure): Histogram {
    return this.#of[measure];
  }

  add(row: ResultRow): void {
    this.counts.add(row);
    const { arrivalUs, endUs, queueUs, state, sentUs = -1, createUs = -1, codeUs = -1 } = row;
    const of = this.#of;
    if (sentUs >= 0) of.lag.add(Math.max(0, sentUs - arrivalUs));
    if (!isAnswered(row)) return;
    const own = ownTimeUs(row);
    const run = runTimeUs(row);
    of.latency.add(Math.max(0, endUs - arrivalUs));
    if (queueUs >= 0) of.queue.add(queueUs);
    if (createUs > 0) of.create.add(createUs);
    if (run >= 0) of.run.add(run);
    if (state === 'warm' && own >= 0) this.warm.add(own);
    if (sentUs < 0) return;
    const service = Math.max(0, endUs - sentUs);
    of.service.add(service);
    if (own < 0) return;
    of.overhead.add(Math.max(0, service - own));
    if (codeUs >= 0) this.ownByFunction++;
    else this.ownByWorker++;
  }

  merge(other: MeasureHistograms): void {
    this.counts.merge(other.counts);
    this.warm.merge(other.warm);
    this.ownByFunction += other.ownByFunction;
    this.ownByWorker += other.ownByWorker;
    for (const name of NAMES) this.#of[name].merge(other.#of[name]);
  }

  distributions(): MeasuredUs {
    return Object.fromEntries(
      NAMES.map((name) => [name, detailedDistributionOf(this.#of[name])]),
    ) as unknown as MeasuredUs;
  }
}
