import { IluvatarError } from '../../core/index.js';
import { seededRandom } from '../../core/random.js';
import type { Results } from '../readers/open-results.js';
import { type BlockOptions, type Blocks, blocksOf } from './blocks.js';
import { bootstrapDifferences, interval } from './bootstrap.js';
import { cliffsDelta, Side, STATISTICS, type Statistic, type Statistics } from './statistics.js';

/** Two sides of one run or several compared, with what noise could have made of it. */
export interface RunComparison {
  readonly format: 'iluvatar.comparison';
  readonly version: 1;
  readonly a: SideFacts;
  readonly b: SideFacts;
  /** That all intervals hold, together: each alone is wider than that (Bonferroni), or of eight statistics of equal runs one would stand out every third time. */
  readonly confidence: number;
  readonly resamples: number;
  readonly seed: number;
  /** Cliff's delta of latencies, −1 … 1: how often `b` takes longer, less how often it takes less. */
  readonly effect: number | null;
  readonly lines: readonly ComparisonLine[];
  /** What limits what can be said, for people. */
  readonly notes: readonly string[];
}

export interface SideFacts {
  readonly names: readonly string[];
  readonly invocations: number;
  readonly blocks: number;
  /** Shortest and longest of its runs' blocks; µs, or rows. */
  readonly blockWidth: readonly [number, number];
}

export interface ComparisonLine {
  readonly statistic: Statistic;
  readonly a: number;
  readonly b: number;
  readonly difference: number;
  /** Of the difference; `a` and `b` are µs, shares or rates, and so is it. */
  readonly interval: readonly [low: number, high: number];
  /** Difference and interval relative to `a`; null where that is 0. */
  readonly relative: { readonly difference: number; readonly interval: readonly [number, number] } | null;
  readonly verdict: Verdict;
}

/**
 * `better`, `worse`: the interval leaves out 0, and the difference is more than the tolerance. `negligible`: it leaves out 0, but the difference is not. `none`: no difference
 * is seen at this resolution, which is half the interval's width. `unknown`: too few values lie beyond the quantile.
 */
export type Verdict = 'better' | 'worse' | 'negligible' | 'none' | 'unknown';

export interface CompareOptions extends BlockOptions {
  readonly resamples?: number;
  readonly confidence?: number;
  readonly seed?: number;
  /** Relative differences up to this are not worth a verdict; 0.01 unless said otherwise. */
  readonly tolerance?: number;
  readonly progress?: (done: number, total: number) => void;
}

const RESAMPLES = 4000;
const CONFIDENCE = 0.95;
const TOLERANCE = 0.01;
/** Of values beyond a quantile, in the smaller side: fewer are a handful of accidents. */
const TAIL_VALUES = 10;
/** The bootstrap of fewer blocks gives intervals that are too narrow. */
const FEW_BLOCKS = 20;
/** Of the number of runs a side: from these alone nobody knows how much runs of the same thing differ. */
const FEW_RUNS = 5;
const CORRELATED = 0.3;

/** Throws IluvatarError `invalid`. */
export async function compareRuns(
  a: readonly Results[],
  b: readonly Results[],
  options: CompareOptions = {},
): Promise<RunComparison> {
  const { resamples = RESAMPLES, confidence = CONFIDENCE, seed = 0, tolerance = TOLERANCE } = options;
  if (!(confidence > 0 && confidence < 1)) throw new IluvatarError('invalid', 'confidence must be between 0 and 1');
  if (!(resamples >= 100)) throw new IluvatarError('invalid', 'fewer than 100 resamples make no interval');
  const sideA = new Side(await readAll(a, options));
  const sideB = new Side(await readAll(b, options));
  const [before, after] = [sideA.observed(), sideB.observed()];
  const differences = bootstrapDifferences(sideA, sideB, resamples, seededRandom(seed), (done) =>
    options.progress?.(done, resamples),
  );
  const counts = [sideA, sideB].map(invocationsOf);
  const compared = (Object.keys(STATISTICS) as Statistic[]).filter((name) => !Number.isNaN(after[name] - before[name]));
  const lines = compared.flatMap((statistic) => {
    const bounds = interval(differences[statistic], 1 - (1 - confidence) / compared.length);
    return bounds === null ? [] : [lineOf(statistic, before, after, bounds, Math.min(...counts), tolerance)];
  });
  const effect = cliffsDelta(sideA, sideB);
  return {
    format: 'iluvatar.comparison',
    version: 1,
    a: factsOf(sideA),
    b: factsOf(sideB),
    confidence,
    resamples,
    seed,
    effect: Number.isNaN(effect) ? null : effect,
    lines,
    notes: notesOf(sideA, sideB),
  };
}

async function readAll(all: readonly Results[], options: BlockOptions): Promise<Blocks[]> {
  const blocks: Blocks[] = [];
  // One after the other: each takes memory while it is read.
  for (const results of all) blocks.push(await blocksOf(results, options));
  return blocks;
}

function lineOf(
  statistic: Statistic,
  before: Statistics,
  after: Statistics,
  bounds: readonly [number, number],
  invocations: number,
  tolerance: number,
): ComparisonLine {
  const [a, b] = [before[statistic], after[statistic]];
  const difference = b - a;
  const { better, tail } = STATISTICS[statistic];
  const judge = (): Verdict => {
    if (tail !== undefined && tail * invocations < TAIL_VALUES) return 'unknown';
    if (bounds[0] <= 0 && bounds[1] >= 0) return 'none';
    if (a !== 0 && Math.abs(difference / a) <= tolerance) return 'negligible';
    return difference < 0 === (better === 'less') ? 'better' : 'worse';
  };
  return {
    statistic,
    a,
    b,
    difference,
    interval: bounds,
    relative: a === 0 ? null : { difference: difference / a, interval: [bounds[0] / a, bounds[1] / a] },
    verdict: judge(),
  };
}

function invocationsOf({ runs }: Side): number {
  return runs.reduce((sum, { blocks }) => sum + blocks.reduce((total, block) => total + block.invocations, 0), 0);
}

function factsOf(side: Side): SideFacts {
  const widths = side.runs.map(({ width }) => width);
  return {
    names: side.runs.map(({ name }) => name),
    invocations: invocationsOf(side),
    blocks: side.runs.reduce((sum, { blocks }) => sum + blocks.length, 0),
    blockWidth: [Math.min(...widths), Math.max(...widths)],
  };
}

function notesOf(a: Side, b: Side): string[] {
  const runs = [...a.runs, ...b.runs];
  const notes: string[] = [];
  const fewest = Math.min(a.runs.length, b.runs.length);
  if (fewest === 1)
    notes.push('one run a side: how much runs of the same thing differ is not seen, and not in the intervals');
  else if (fewest < FEW_RUNS) notes.push(`${fewest} runs a side say little of how much runs of the same thing differ`);
  for (const { name, blocks, correlation, timed } of runs) {
    if (blocks.length < FEW_BLOCKS)
      notes.push(`${name} has ${blocks.length} blocks: intervals of so few are too narrow`);
    if (correlation !== null && correlation > CORRELATED) {
      notes.push(
        `${name}: neighbouring blocks are alike (correlation ${correlation.toFixed(2)}): longer ones (--block) would give honester, wider intervals`,
      );
    }
    if (!timed) notes.push(`${name} does not say when its invocations happened: its blocks are rows in their order`);
  }
  return notes;
}
