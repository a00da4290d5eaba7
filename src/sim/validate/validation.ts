import type { WorkerConfigInput } from '../../config/schema.js';
import type { DeviceTimings } from '../../core/index.js';
import { type SimulationOptions, simulate } from '../simulate.js';
import { MeasuredTimes } from '../time-model.js';
import { type Workload, workloadTrace } from './workload.js';

/** Puts what a live worker did beside what the simulation says it does. */

/** What the platform itself takes, measured on the live worker while nothing else ran; µs. A function that takes no time was used. */
export interface Calibration {
  /** From leaving the queue until the container is ready, its function's import taking no time. */
  readonly creationUs: readonly number[];
  /** Inside the function beyond what it was told to take, on a container that has run before. */
  readonly warmExtraUs: readonly number[];
  /** The same for the first run of a container. */
  readonly coldExtraUs: readonly number[];
  /** From the command to remove a container until its memory is free. */
  readonly destructionUs: readonly number[];
}

/** What happened, live or simulated. */
export interface Observed {
  readonly invocations: number;
  readonly failed: number;
  readonly coldStarts: number;
  readonly meanQueueMs: number;
  readonly p99QueueMs: number;
  readonly meanEndToEndMs: number;
  /** Over time; MiB. */
  readonly meanRunningMb: number;
  readonly meanCachedMb: number;
}

export interface LiveRun {
  /** What was sent, with the times at which it really was. */
  readonly workload: Workload;
  readonly calibration: Calibration;
  readonly observed: Observed;
}

export interface ComparedFigure {
  readonly name: string;
  readonly unit: string;
  readonly live: number;
  readonly simulated: number;
  /** (simulated − live) / live; null when live is 0 and simulated is not. */
  readonly difference: number | null;
}

/** Of each function, by name: its own times, and what the platform adds. */
function timingsOf({ functions }: Workload, calibration: Calibration): Map<string, DeviceTimings> {
  const { creationUs, warmExtraUs, coldExtraUs } = calibration;
  const timings = new Map<string, DeviceTimings>();
  for (const { name, warmMs, importMs } of functions) {
    const coldRunUs = creationUs.map((_, i) => warmMs * 1000 + (coldExtraUs[i % coldExtraUs.length] ?? 0));
    timings.set(name, {
      warmRunUs: warmExtraUs.map((us) => warmMs * 1000 + us),
      coldRunUs,
      warmTotalUs: [],
      coldTotalUs: creationUs.map((us, i) => us + importMs * 1000 + (coldRunUs[i] as number)),
    });
  }
  return timings;
}

/** Simulates a live run: the same arrivals and configuration, the times that were calibrated. */
export async function simulateRun(
  { workload, calibration }: Pick<LiveRun, 'workload' | 'calibration'>,
  config: WorkerConfigInput,
  options: Pick<SimulationOptions, 'seed' | 'functions'>,
): Promise<Observed> {
  const timings = timingsOf(workload, calibration);
  const summary = await simulate({
    ...options,
    trace: workloadTrace(workload),
    config,
    times: new MeasuredTimes((fn) => timings.get(fn.name) ?? null, options.seed ?? 0),
    destructionMs: meanOf(calibration.destructionUs) / 1000,
  }).summary();
  const { invocations, outcomes, states, queueUs, endToEndUs, memory } = summary;
  return {
    invocations,
    failed: invocations - (outcomes['ok'] ?? 0),
    coldStarts: states.cold,
    meanQueueMs: queueUs.mean / 1000,
    p99QueueMs: queueUs.p99 / 1000,
    meanEndToEndMs: endToEndUs.mean / 1000,
    meanRunningMb: memory.meanRunningMb,
    meanCachedMb: memory.meanCachedMb,
  };
}

const FIGURES: readonly (readonly [keyof Observed, string, string])[] = [
  ['invocations', 'invocations', ''],
  ['failed', 'failed', ''],
  ['coldStarts', 'cold starts', ''],
  ['meanQueueMs', 'mean queue time', 'ms'],
  ['p99QueueMs', 'p99 queue time', 'ms'],
  ['meanEndToEndMs', 'mean end to end', 'ms'],
  ['meanRunningMb', 'mean running memory', 'MiB'],
  ['meanCachedMb', 'mean cached memory', 'MiB'],
];

export function figuresOf(live: Observed, simulated: Observed): ComparedFigure[] {
  return FIGURES.map(([key, name, unit]) => {
    const [a, b] = [live[key], simulated[key]];
    return { name, unit, live: a, simulated: b, difference: a === 0 ? (b === 0 ? 0 : null) : (b - a) / a };
  });
}

export const FIGURE_TITLES = ['', 'live', 'simulated', 'difference'];

/** The cells of one figure, for people. */
export function figureCells({ name, unit, live, simulated, difference }: ComparedFigure): string[] {
  const number = (value: number): string => (unit === '' ? String(value) : value.toFixed(unit === 'ms' ? 2 : 1));
  const percent =
    difference === null ? '—' : `${difference >= 0 ? '+' : '−'}${Math.abs(100 * difference).toFixed(1)} %`;
  return [unit === '' ? name : `${name}, ${unit}`, number(live), number(simulated), percent];
}

export function figuresMarkdown(figures: readonly ComparedFigure[]): string {
  const rule = FIGURE_TITLES.map((_, i) => (i === 0 ? '---' : '---:'));
  return `${[FIGURE_TITLES, rule, ...figures.map(figureCells)].map((cells) => `| ${cells.join(' | ')} |`).join('\n')}\n`;
}

export function meanOf(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** By nearest rank, as the simulation's own. */
export function quantileOf(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] ?? 0;
}
