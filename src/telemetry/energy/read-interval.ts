import type { EnergyReading } from './energy-source.js';

/** Energy between one reading and the next in whole microjoules, by what divides it: over any number of readings the sums are what the source has counted, rounded once. */
export interface ReadInterval {
  readonly us: number;
  readonly totalUj: number;
  readonly cpuUj: number;
  readonly gpuUj: number;
  readonly restUj: number;
}

export class IntervalReader {
  #before: { readonly atUs: number; readonly totalUj: number; readonly gpuUj: number; readonly restUj: number } | null =
    null;

  /** null = no new one. The first begins the first interval, and is itself one of no length. */
  next({ atUs, joules, domains }: EnergyReading): ReadInterval | null {
    const before = this.#before;
    if (before !== null && atUs <= before.atUs) return null;
    const fed = (by: (typeof domains)[number]['feeds']): number =>
      Math.round(
        1e6 * domains.reduce((sum, { feeds, inTotal, joules }) => sum + (inTotal && feeds === by ? joules : 0), 0),
      );
    const now = { atUs, totalUj: Math.round(1e6 * joules), gpuUj: fed('gpu'), restUj: fed('other') };
    this.#before = now;
    if (before === null) return { us: 0, totalUj: 0, cpuUj: 0, gpuUj: 0, restUj: 0 };
    // A part that was missing meanwhile comes back with all it has counted: never more than there was altogether.
    const totalUj = Math.max(0, now.totalUj - before.totalUj);
    const gpuUj = Math.min(totalUj, Math.max(0, now.gpuUj - before.gpuUj));
    const restUj = Math.min(totalUj - gpuUj, Math.max(0, now.restUj - before.restUj));
    return { us: atUs - before.atUs, totalUj, cpuUj: totalUj - gpuUj - restUj, gpuUj, restUj };
  }
}
