/** What a worker on a Jetson says of its board, in its status. Null everywhere = the board does not say it, or has not so far. */
export interface JetsonStatus {
  board: {
    model: string;
    chip: string | null;
    l4t: string | null;
    jetpack: string | null;
    powerMode: { id: number; name: string | null } | null;
    memoryMb: number | null;
  } | null;
  /** Who is asked. */
  source: 'tegrastats' | 'sysfs' | 'replay';
  /** The utilisation of the GPU is older than `jetson.staleMs`: dispatch goes by `jetson.staleData`. */
  stale: boolean;
  /** Smoothed, percent; since it was read, ms. */
  gpu: { utilizationPercent: number | null; freqMhz: number | null; ageMs: number | null };
  /** Of CPU and GPU together; the used part is smoothed. MiB. */
  memory: { usedMb: number | null; totalMb: number | null; ageMs: number | null };
  /** Of the whole board, smoothed, and of its rails as last read; mW. `estimated`: put together from rails, and something is missing in it. */
  power: {
    totalMw: number | null;
    estimated: boolean;
    rails: { name: string; powerMw: number }[];
    ageMs: number | null;
  };
  /** As last read. */
  temperatures: { name: string; tempC: number }[];
  temperaturesAgeMs: number | null;
  /** Names of what makes it run slower than it could: the kernel's cooling devices, over-current events; empty = nothing. */
  throttledBy: string[];
  /** Since the worker's start. */
  counters: {
    readings: number;
    odd: number;
    restarts: number;
    overCurrentEvents: number;
    /** Times that the utilisation became stale. */
    losses: number;
  };
}
