import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { writeWholeFile } from '../../results/whole-file.js';
import { action, type CommandHost } from '../command-host.js';
import { UsageError } from '../exit-codes.js';
import { choice } from '../sim/trace-options.js';
import { analyseRuns, openRuns, RUN_OPERAND } from './read-runs.js';

/** `iluvatar load plot`: pictures of runs, as files. */

const FORMATS = ['svg', 'png', 'both'] as const;
/** Kept here, and not asked of where they are drawn, so that `--help` loads nothing; a test sees to it that both agree. */
export const PLOT_NAMES = ['latency-cdf', 'timeline', 'cold-starts', 'throughput', 'overlay'] as const;

interface Options {
  out?: string;
  format: string;
  only?: string;
  series?: string;
}

export function addLoadPlotCommand(host: CommandHost): void {
  host
    .add(
      'plot',
      'draw runs: latency, time series with memory and queue, cold starts, throughput, what was measured beside',
      [
        'load plot results/monday',
        'load plot results/monday --only timeline --format png --out pictures',
        'load plot results/unix results/http --only throughput',
        'load plot results/monday --only overlay --series iluvatar_queue_length',
      ],
    )
    .argument('<runs...>', `${RUN_OPERAND}; pictures that can show several show all of them, the others the first`)
    .option('--out <folder>', 'where the pictures go (default: "plots" in the first run, or here if that is a file)')
    .option('--format <format>', FORMATS.join(', '), 'svg')
    .option(
      '--only <names>',
      `comma-separated, of: ${PLOT_NAMES.join(', ')} (default: all that there is something for)`,
    )
    .option('--series <names>', 'for overlay: names of series, comma-separated (default: all)')
    .action(
      action(async (context, options: Options, paths: string[]) => {
        const format = choice('--format', FORMATS, options.format);
        const names = options.only?.split(',').map((name) => choice('--only', PLOT_NAMES, name.trim()));
        const { loadPngRenderer, loadSvgRenderer } = await import('../../results/plots/render.js');
        // What is missing shall not be told after a million rows.
        const render = await loadSvgRenderer();
        const toPng = format === 'svg' ? null : await loadPngRenderer();
        const runs = await openRuns(paths);
        const { PLOTS, specificationOf } = await import('./report/figures.js');
        const analyses = await analyseRuns(context, runs);
        const folder = options.out ?? defaultFolder(runs[0]);
        mkdirSync(folder, { recursive: true });
        const files: string[] = [];
        for (const name of names ?? Object.keys(PLOTS)) {
          const specification = specificationOf(name, analyses, 'paper', options.series?.split(','));
          if (specification === null) {
            if (names !== undefined) throw new UsageError(`there is nothing for ${name} in ${paths.join(', ')}`);
            continue;
          }
          const svg = await render(specification);
          const file = (ending: string): string => join(folder, `${name}.${ending}`);
          if (format !== 'png') files.push(written(file('svg'), svg));
          if (toPng !== null) files.push(written(file('png'), toPng(svg)));
        }
        context.print(files, (all) => all.map((path) => `${path}\n`).join(''));
      }),
    );
}

function defaultFolder(run: { readonly path: string; readonly experiment: unknown } | undefined): string {
  return run === undefined || run.experiment === null ? 'plots' : join(run.path, 'plots');
}

function written(path: string, content: string | Uint8Array): string {
  writeWholeFile(path, content);
  return path;
}
