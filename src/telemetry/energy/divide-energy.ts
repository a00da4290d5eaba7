/**
 * Divides the energy of one interval. All amounts are whole microjoules, and what comes out adds up to what went in, literally: shares are differences of one rising sequence of whole
 * numbers, so that no rounding is lost or counted twice.
 *
 * What feeds processors, memory and the machine as a whole is divided by CPU time, after the idle machine's part is taken off: an invocation's share is its CPU time in the interval by that of all
 * processes together. What feeds GPUs is divided by the time that invocations ran on one. The rest (the worker itself, other processes, rails that feed neither) is `other`.
 */

export interface IntervalEnergy {
  /** Divided by CPU time; µJ. */
  readonly cpuUj: number;
  /** Divided by GPU time. */
  readonly gpuUj: number;
  /** Divided by nothing. */
  readonly restUj: number;
  /** What the idle machine would have taken of the first two. */
  readonly idleCpuUj: number;
  readonly idleGpuUj: number;
  /** CPU time of all processes in the interval; µs, 0 = not known: all of it was the invocations'. */
  readonly machineCpuUs: number;
}

/** What one of those that share has used in the interval. */
export interface EnergyUse {
  readonly cpuUs: number;
  readonly gpuUs: number;
}

export interface DividedEnergy {
  /** In the order of the uses; µJ. */
  readonly shares: readonly number[];
  readonly idleUj: number;
  readonly otherUj: number;
}

export function divideEnergy(interval: IntervalEnergy, uses: readonly EnergyUse[]): DividedEnergy {
  const { cpuUj, gpuUj, restUj, machineCpuUs } = interval;
  const idleCpuUj = Math.min(cpuUj, interval.idleCpuUj);
  const idleGpuUj = Math.min(gpuUj, interval.idleGpuUj);
  const shares = new Array<number>(uses.length).fill(0);
  const cpu = shareOut(
    cpuUj - idleCpuUj,
    uses.map(({ cpuUs }) => cpuUs),
    machineCpuUs,
    shares,
  );
  const gpu = shareOut(
    gpuUj - idleGpuUj,
    uses.map(({ gpuUs }) => gpuUs),
    0,
    shares,
  );
  return { shares, idleUj: idleCpuUj + idleGpuUj, otherUj: cpu + gpu + restUj };
}

/** Adds each one's part to `shares`; returns what is left. `atLeast`: of all use, also by others. */
function shareOut(energyUj: number, uses: readonly number[], atLeast: number, shares: number[]): number {
  const all = Math.max(
    uses.reduce((sum, use) => sum + use, 0),
    atLeast,
  );
  if (all === 0) return energyUj;
  let use = 0;
  let given = 0;
  for (const [index, own] of uses.entries()) {
    use += own;
    // Rises with `use` and is never above the whole, in floating point too.
    const upTo = Math.floor(energyUj * Math.min(1, use / all));
    shares[index] = (shares[index] as number) + upTo - given;
    given = upTo;
  }
  return energyUj - given;
}
