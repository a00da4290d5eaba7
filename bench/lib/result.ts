import { cpus, release, totalmem } from 'node:os';

/** What a bench hands back: figures in the units their names say, the floor measured in the same run, and what was promised. */
export interface BenchResult {
  name: string;
  machine: Machine;
  figures: Record<string, number>;
  floor: Record<string, number>;
  ratios: Record<string, number>;
  targets: Target[];
  /** Sentences worth printing under the table. */
  notes: string[];
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryGb: number;
  kernel: string;
  node: string;
  date: string;
}

export interface Target {
  name: string;
  value: number;
  limit: number;
  /** `max`: value must not exceed the limit; `min`: must reach it. */
  kind: 'max' | 'min';
  holds: boolean;
}

export interface BenchOptions {
  /** Take what it needs instead of at most 45 s. */
  long: boolean;
  log(line: string): void;
}

export interface Bench {
  readonly name: string;
  readonly title: string;
  run(options: BenchOptions): Promise<BenchResult>;
}

export function atMost(name: string, value: number, limit: number): Target {
  return { name, value, limit, kind: 'max', holds: value <= limit };
}

export function atLeast(name: string, value: number, limit: number): Target {
  return { name, value, limit, kind: 'min', holds: value >= limit };
}

export function machine(): Machine {
  const all = cpus();
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** Middle of the values (mean of the middle two). NaN for none. */
export function median(values: readonly number[]): number {
  return percentile(values, 50);
}

/** Linear interpolation between closest ranks, as numpy's default. */
export function percentile(values: readonly number[], p: number): number {
  if (values.length === 0) return Number.NaN;
  const sorted = [...values].sort((a, b) => a - b);
  const rank = ((sorted.length - 1) * p) / 100;
  const low = Math.floor(rank);
  const a = sorted[low] as number;
  const b = sorted[Math.min(low + 1, sorted.length - 1)] as number;
  return a + (b - a) * (rank - low);
}
