import { join } from 'node:path';
import type { RunComparison } from '../../results/compare/compare.js';
import type { Results } from '../../results/readers/open-results.js';
import { writeWholeFile } from '../../results/whole-file.js';
import { action, type CommandHost } from '../command-host.js';
import { UsageError } from '../exit-codes.js';
import { analyseRuns, openRuns, RUN_OPERAND } from './read-runs.js';

/** `iluvatar load report`: runs as one page. */

interface Options {
  out?: string;
  title?: string;
  plots: boolean;
  compare?: boolean;
}

export function addLoadReportCommand(host: CommandHost): void {
  host
    .add('report', 'make one HTML page of runs, with tables and pictures, that opens offline', [
      'load report results/monday',
      'load report results/unix results/http results/grpc --out report.html --title "Three ways in"',
      'load report results/before results/after --compare',
    ])
    .argument('<runs...>', RUN_OPERAND)
    .option('--out <file>', 'the page (default: report.html in the first run, or here if that is a file)')
    .option('--title <text>', 'its title (default: the names of the runs)')
    .option('--compare', 'compare every run with the first, as load compare does')
    .option('--no-plots', 'without pictures, which need the optional packages vega and vega-lite')
    .action(
      action(async (context, options: Options, paths: string[]) => {
        const out = options.out ?? null;
        if (out?.endsWith('.html') === false) throw new UsageError(`--out ${out}: the name must end in .html`);
        if (options.compare === true && paths.length < 2) throw new UsageError('--compare needs two runs or more');
        const render = options.plots ? await (await import('../../results/plots/render.js')).loadSvgRenderer() : null;
        const runs = await openRuns(paths);
        const analyses = await analyseRuns(context, runs);
        const comparisons = options.compare === true ? await compareWithFirst(runs) : [];
        const { reportPage } = await import('./report/report-page.js');
        const title = options.title ?? runs.map(({ name }) => name).join(', ');
        const page = await reportPage({ title, analyses, comparisons, render, madeAt: new Date().toISOString() });
        const file = out ?? (runs[0]?.experiment == null ? 'report.html' : join(runs[0].path, 'report.html'));
        writeWholeFile(file, page);
        context.print({ file, bytes: Buffer.byteLength(page) }, () => `${file}\n`);
      }),
    );
}

async function compareWithFirst([first, ...others]: readonly Results[]): Promise<RunComparison[]> {
  const { compareRuns } = await import('../../results/compare/compare.js');
  const comparisons: RunComparison[] = [];
  for (const other of others) comparisons.push(await compareRuns([first as Results], [other]));
  return comparisons;
}
