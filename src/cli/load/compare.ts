import { action, type CommandHost } from '../command-host.js';
import { EXIT, UsageError } from '../exit-codes.js';
import { parseDuration, parseInteger, parseNumber } from '../parse.js';
import { comparisonText } from './comparison-text.js';
import { progressLine } from './interruption.js';
import { openRuns, RUN_OPERAND } from './read-runs.js';

/** `iluvatar load compare`: two sides, and what noise could have made of it. */

interface Options {
  resamples: number;
  confidence: number;
  seed: number;
  block?: number;
  tolerance: number;
  failIfWorse?: boolean;
}

const PROGRESS_EVERY = 50;

export function addLoadCompareCommand(host: CommandHost): void {
  host
    .add(
      'compare',
      'compare two runs, or several a side, with intervals by bootstrap and a verdict that allows for noise',
      [
        'load compare results/before results/after',
        'load compare before-1,before-2,before-3 after-1,after-2,after-3',
        'load compare results/before results/after --confidence 0.99 --tolerance 0.05 --fail-if-worse',
      ],
    )
    .argument('<a>', `the side that is compared with: ${RUN_OPERAND}; several, comma-separated`)
    .argument('<b>', 'the other side')
    .option('--resamples <count>', 'worlds that the bootstrap draws', parseInteger, 4000)
    .option('--confidence <share>', 'that all intervals hold, together', parseNumber, 0.95)
    .option('--seed <number>', 'of the bootstrap: the same seed gives the same intervals', parseInteger, 0)
    .option(
      '--block <duration>',
      'of consecutive invocations that are drawn together (default: a fortieth of a run)',
      parseDuration,
    )
    .option('--tolerance <share>', 'relative differences up to this do not matter', parseNumber, 0.01)
    .option('--fail-if-worse', `exit with ${EXIT.failed} when anything is worse`)
    .action(
      action(async (context, options: Options, a: string, b: string) => {
        const { resamples, confidence, seed, block, tolerance } = options;
        if (tolerance < 0) throw new UsageError('--tolerance must not be negative');
        if (block !== undefined && block < 1) throw new UsageError('--block must be at least 1 ms');
        const [before, after] = [await openRuns(a.split(',')), await openRuns(b.split(','))];
        const { compareRuns } = await import('../../results/compare/compare.js');
        const progress = progressLine(context);
        try {
          const comparison = await compareRuns(before, after, {
            resamples,
            confidence,
            seed,
            tolerance,
            ...(block === undefined ? {} : { blockUs: block * 1000 }),
            progress: (done, total) => {
              if (done % PROGRESS_EVERY === 0) progress.show(() => `${done} of ${total} resamples`);
            },
          });
          progress.clear();
          context.print(comparison, comparisonText);
          if (options.failIfWorse === true && comparison.lines.some(({ verdict }) => verdict === 'worse')) {
            process.exitCode = EXIT.failed;
          }
        } finally {
          progress.clear();
        }
      }),
    );
}
