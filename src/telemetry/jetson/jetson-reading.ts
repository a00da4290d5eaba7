import type { CoreLoad, EngineLoad, MemoryUse, TegrastatsSample, TotalPower } from './tegrastats-sample.js';

/** What a board says of itself at one moment, whoever was asked: tegrastats or the kernel's own files. Null = this source does not say it now. */
export interface JetsonReading {
  /** When it was received: `performance.now()`, µs. */
  readonly atUs: number;
  readonly gpu: { readonly utilizationPercent: number | null; readonly freqMhz: number | null };
  readonly memory: { readonly usedMb: number; readonly totalMb: number } | null;
  /** By the core's number; empty = not said. */
  readonly cpus: readonly CoreLoad[];
  readonly temperatures: readonly { readonly name: string; readonly tempC: number }[];
  /** Power of this moment, not an average. */
  readonly rails: readonly RailPower[];
  readonly totalPower: TotalPower | null;
}

export interface RailPower {
  readonly name: string;
  readonly powerMw: number;
}

/** Null when the line says nothing that this project knows: a banner, an error, rubbish. */
export function readingOf(sample: TegrastatsSample, atUs: number): JetsonReading | null {
  const { ram, cpus, gpu, emc, temperatures, rails, totalPower } = sample;
  if (ram === null && gpu === null && emc === null && cpus.length + temperatures.length + rails.length === 0)
    return null;
  return {
    atUs,
    gpu: { utilizationPercent: utilizationOf(gpu), freqMhz: highest(gpu?.freqMhz ?? []) },
    memory: memoryOf(ram),
    cpus,
    temperatures: temperatures.flatMap(({ name, tempC, constant }) =>
      tempC === null || constant ? [] : [{ name, tempC }],
    ),
    rails: rails.flatMap(({ name, index, powerMw }) =>
      powerMw === null ? [] : [{ name: index === 0 ? name : `${name}#${index}`, powerMw }],
    ),
    totalPower,
  };
}

/** A GPU that is switched off (`off`, or all its clocks stand still) does nothing, though no line says how much that is. */
function utilizationOf(gpu: EngineLoad | null): number | null {
  if (gpu === null) return null;
  if (gpu.loadPercent !== null) return gpu.loadPercent;
  const still = gpu.freqMhz.length > 0 && gpu.freqMhz.every((freqMhz) => freqMhz === 0);
  return !gpu.online || still ? 0 : null;
}

/** The clusters of a GPU that is on run at one clock; one that is off says 0. */
function highest(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.max(...known);
}

function memoryOf(ram: MemoryUse | null): JetsonReading['memory'] {
  if (ram === null || ram.usedMb === null || ram.totalMb === null || ram.totalMb <= 0) return null;
  return { usedMb: Math.min(ram.usedMb, ram.totalMb), totalMb: ram.totalMb };
}
