/**
 * What one line of `tegrastats` says, whatever JetPack wrote it. A value that the line does not have, or that its board had switched off (`off`, −256 °C), is null and never 0.
 * Names keep the line's spelling; which release writes what is in docs/tegrastats.md.
 */
export interface TegrastatsSample {
  /** The line's own date (`MM-DD-YYYY HH:MM:SS`, from JetPack 5 on), as it was written: it has no zone; null = none. */
  readonly date: string | null;
  /** Always, on every release: what CPU and GPU share. */
  readonly ram: MemoryUse | null;
  /** Since L4T 24; not every release says it of a board without swap. */
  readonly swap: SwapUse | null;
  /** Memory inside the chip for its video engines, up to JetPack 4. */
  readonly iram: MemoryUse | null;
  /** Other memory of the oldest lines (`Carveout`, `GART`); made by other sources than the parser it may be left out. */
  readonly otherMemory?: readonly NamedMemory[];
  /** `EDP limit`, up to L4T 24: the frequency that the supply allows the CPU, 0 = no limit. Null or absent = not said. */
  readonly edpLimitMhz?: number | null;
  /** By the core's number. One clock for all up to L4T 28.1 (`cpu [..]@408`) and in a form of L4T 39, else each its own. */
  readonly cpus: readonly CoreLoad[];
  /** The memory controller: `emc`, `EMC` up to L4T 28.1, then `EMC_FREQ`; of late without a load (`EMC_FREQ @4266`). */
  readonly emc: EngineLoad | null;
  /** The GPU: `GR3D` up to L4T 28.1, then `GR3D_FREQ`; the load is not said on Thor (L4T 38), and often not without root. `GR3D2_FREQ` (L4T 35) is among the engines. */
  readonly gpu: EngineLoad | null;
  /** Every other engine (`NVENC`, `VIC_FREQ`, `APE`, `MTS fg`, …), in the order of the line. */
  readonly engines: readonly NamedEngine[];
  /** Since L4T 28; in lower case (`tj`, `soc0`) since L4T 36. */
  readonly temperatures: readonly Temperature[];
  /** Since L4T 28, on some boards as root only; with `mW` since L4T 34. */
  readonly rails: readonly Rail[];
  /** Of the whole board; null = no rail says it. */
  readonly totalPower: TotalPower | null;
  /** What was not understood, as it was written. */
  readonly unknown: readonly string[];
}

/** MiB, whatever unit the line used. */
export interface MemoryUse {
  readonly usedMb: number | null;
  readonly totalMb: number | null;
  /** Largest free blocks: how many, and of which size. */
  readonly largestFreeBlocks: number | null;
  readonly largestFreeBlockMb: number | null;
}

export interface NamedMemory extends MemoryUse {
  readonly name: string;
}

export interface SwapUse {
  readonly usedMb: number | null;
  readonly totalMb: number | null;
  readonly cachedMb: number | null;
}

export interface CoreLoad {
  /** False = `off`: then both are null. */
  readonly online: boolean;
  /** Null also where the line says what no load is (over 100 %). */
  readonly loadPercent: number | null;
  /** Null also where the line says −1. */
  readonly freqMhz: number | null;
}

export interface EngineLoad {
  /** False = `off`. */
  readonly online: boolean;
  readonly loadPercent: number | null;
  /** One for each cluster of the engine; empty = not said (without root), null = said as something that is not a number. */
  readonly freqMhz: readonly (number | null)[];
}

export interface NamedEngine extends EngineLoad {
  readonly name: string;
}

export interface Temperature {
  readonly name: string;
  /** Null = the sensor's part is switched off. */
  readonly tempC: number | null;
  /** The highest so far (JetPack 7); null = not said. */
  readonly peakC: number | null;
  /** A constant rather than a measurement (`PMIC`). */
  readonly constant: boolean;
}

export interface Rail {
  readonly name: string;
  /** Counts the rails of one name in a line, from 0 (`NC` comes twice). */
  readonly index: number;
  readonly powerMw: number | null;
  /** Since tegrastats was started: useless for one invocation. */
  readonly averageMw: number | null;
  /** JetPack 7; null = not said. */
  readonly peakMw: number | null;
}

export interface TotalPower {
  readonly powerMw: number;
  /** The rails that it is the sum of. */
  readonly rails: readonly string[];
  /** True = no rail measures the whole board: it is a sum of parts, and what they leave out is missing. */
  readonly estimated: boolean;
}
