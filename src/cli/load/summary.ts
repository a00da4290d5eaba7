import type { AnalysisOptions } from '../../results/analysis.js';
import type { WarmTime } from '../../results/summary.js';
import { action, type CommandHost } from '../command-host.js';
import { UsageError } from '../exit-codes.js';
import { collect, parseInteger, parseNumber, parsePair } from '../parse.js';
import { choice } from '../sim/trace-options.js';
import { analyseRuns, openRuns, RUN_OPERAND } from './read-runs.js';
import { summaryText } from './summary-text.js';

/** `iluvatar load summary`: a run in numbers. */

const WARM_TIMES = ['median', 'least'] as const;

interface Options {
  warm?: string[];
  warmTime?: string;
  functions?: number;
  recompute?: boolean;
}

export function addLoadSummaryCommand(host: CommandHost): void {
  host
    .add(
      'summary',
      'print a run in numbers: latencies, cold starts, errors, slowdown, overhead, by function and by step',
      [
        'load summary results/monday',
        'load summary results/monday --warm hello=12 --json',
        'load summary output-full-trace.json     # of the original',
      ],
    )
    .argument('<run>', RUN_OPERAND)
    .option('--warm <function=ms>', 'warm time that slowdown is relative to; may be repeated', collect)
    .option(
      '--warm-time <which>',
      `of functions without a given one, of the warm runs seen: ${WARM_TIMES.join(' or ')} (default: median)`,
    )
    .option('--functions <count>', 'how many functions have numbers of their own (default: 100)', parseInteger)
    .option('--recompute', 'from the rows, also where the run has written its summary')
    .action(
      action(async (context, options: Options, path: string) => {
        const [results] = await openRuns([path]);
        const wanted = summaryOptions(options);
        const { summary } = results as NonNullable<typeof results>;
        const stored = options.recompute === true || Object.keys(wanted).length > 0 ? null : summary;
        const shown =
          stored ??
          (
            await analyseRuns(
              context,
              [
                {
                  ...(results as NonNullable<typeof results>),
                  ...(options.recompute === true ? { summary: null } : {}),
                },
              ],
              wanted,
            )
          )[0]?.summary;
        if (shown !== undefined) context.print(shown, summaryText);
      }),
    );
}

function summaryOptions({ warm, warmTime, functions }: Options): AnalysisOptions {
  if (functions !== undefined && functions < 1) throw new UsageError('--functions must be at least 1');
  const warmUs = new Map(
    (warm ?? []).map(parsePair).map(([name, text]) => {
      const ms = parseNumber(text);
      if (ms <= 0) throw new UsageError(`--warm ${name}=${text}: a time in ms is more than 0`);
      return [name, ms * 1000] as const;
    }),
  );
  return {
    ...(warmUs.size === 0 ? {} : { warmUs }),
    ...(warmTime === undefined ? {} : { warmTime: choice('--warm-time', WARM_TIMES, warmTime) satisfies WarmTime }),
    ...(functions === undefined ? {} : { maxFunctions: functions }),
  };
}
