import type { Analysis, AnalysisOptions } from '../../results/analysis.js';
import type { Results } from '../../results/readers/open-results.js';
import type { Context } from '../context.js';
import { progressLine } from './interruption.js';

/** What the commands that read results share: every run that was named, and a line of progress while it is read. */

export const RUN_OPERAND =
  'folder of an experiment, a table of rows (.parquet, .csv), or what the original has written';

export async function openRuns(paths: readonly string[]): Promise<Results[]> {
  const { openResults } = await import('../../results/readers/open-results.js');
  const all: Results[] = [];
  for (const path of paths) all.push(await openResults(path));
  return all;
}

/** One after the other, so that memory is that of one. */
export async function analyseRuns(
  context: Context,
  runs: readonly Results[],
  options: AnalysisOptions = {},
): Promise<Analysis[]> {
  const { analyse } = await import('../../results/analysis.js');
  const progress = progressLine(context);
  const analyses: Analysis[] = [];
  try {
    for (const run of runs) {
      analyses.push(
        await analyse(run, { ...options, progress: (rows) => progress.show(() => `${run.name}: ${rows} rows`) }),
      );
    }
  } finally {
    progress.clear();
  }
  return analyses;
}
