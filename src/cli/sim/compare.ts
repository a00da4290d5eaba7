import { writeFileSync } from 'node:fs';
import { IluvatarError } from '../../core/errors.js';
import type { Comparison, ComparisonOptions } from '../../sim/compare/compare.js';
import { action, type CommandHost } from '../command-host.js';
import type { Context } from '../context.js';
import { UsageError } from '../exit-codes.js';
import { seconds, table } from '../output.js';
import { collect, parseInteger, parseMemory } from '../parse.js';
import {
  addMachineOptions,
  addTraceOptions,
  choice,
  type MachineFlags,
  type TraceFlags,
  traceOptions,
} from './trace-options.js';

/** `iluvatar sim compare`: one trace, every combination of some settings. */

const TIME_MODELS = ['constant', 'log-normal', 'registration'] as const;

interface Options extends TraceFlags, MachineFlags {
  vary?: string[];
  policies?: string;
  memory?: string;
  seeds: string;
  threads?: number;
  out?: string;
  plot?: string;
  timeModel: string;
}

export function addSimCompareCommand(host: CommandHost): void {
  addMachineOptions(
    addTraceOptions(
      host.add('compare', 'run a trace under every combination of some settings, on all cores, and compare', [
        'sim compare --trace trace.csv --functions functions.csv --policies all --memory 2g,4g,8g --plot plot.svg',
        'sim compare --trace trace.csv --functions functions.csv --policies lru,ttl,offline --memory 4g --out table.md',
        'sim compare --trace trace.csv --functions functions.csv --vary queue.policy=all --vary cpu.slots=4,8 --seeds 1,2',
      ]),
    ),
    TIME_MODELS,
  )
    .option('--vary <key=values>', 'an option with its values, comma-separated; may be repeated', collect)
    .option(
      '--policies <names>',
      'values of keepAlive.policy, or key=values for another; "all" = all there are; "offline" = an optimum that knows the future',
    )
    .option('--memory <amounts>', 'values of memory.budgetMb, such as 4g,8g')
    .option('--seeds <numbers>', 'each combination runs once with each', '0')
    .option('--threads <count>', 'runs at once (default: as many as there are cores)', parseInteger)
    .option('--out <file>', 'the table: .csv, .json (every run) or .md (means over the seeds)')
    .option('--plot <file>', 'an SVG: cold-start ratio and mean slowdown')
    .action(
      action(async (context, options: Options) => {
        const { out, plot } = options;
        const write = await writerOf(out);
        if (plot?.endsWith('.svg') === false) throw new UsageError(`--plot ${plot}: the name must end in .svg`);
        const { compare } = await import('../../sim/compare/compare.js');
        // Before the runs: what is missing shall not be told after an hour.
        const draw = plot === undefined ? null : await (await import('../../sim/compare/plot.js')).loadPlotter();
        const beganAt = performance.now();
        const progress = progressLine(context);
        const comparison = await compare({ ...(await optionsOf(context, options)), progress: progress.show });
        progress.clear();
        write?.(comparison);
        if (draw !== null) save(plot as string, await draw(comparison));
        const { measureColumns, meansOverSeeds, numbersOf } = await import('../../sim/compare/table.js');
        context.print(comparison.runs, () =>
          table(
            meansOverSeeds(comparison).map(({ values, measures }) => [...values, ...numbersOf(measures)]),
            [...comparison.keys, ...measureColumns.map(({ title }) => title)].map((title, i) => ({
              title: title.toUpperCase(),
              right: i >= comparison.keys.length,
              text: (cells: readonly string[]) => cells[i] as string,
            })),
            'nothing was compared',
          ),
        );
        const took = seconds((performance.now() - beganAt) / 1000);
        if (!context.json) context.note(`${comparison.runs.length} runs in ${took}`);
      }),
    );
}

async function optionsOf(context: Context, options: Options): Promise<ComparisonOptions> {
  const { config } = await context.load();
  const { parseVariation } = await import('../../sim/compare/variations.js');
  const { policies, memory, sigma } = options;
  const variations = [...(options.vary ?? [])];
  // The keys that are varied most; policies first, so that the table has those together.
  if (policies !== undefined) variations.push(policies.includes('=') ? policies : `keepAlive.policy=${policies}`);
  if (memory !== undefined) variations.push(`memory.budgetMb=${memory.split(',').map(parseMemory).join(',')}`);
  if (variations.length === 0) throw new UsageError('nothing is varied: --policies, --memory or --vary');
  return {
    trace: traceOptions(options, config.seed),
    config,
    variations: variations.map(parseVariation),
    seeds: options.seeds.split(',').map(parseInteger),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    simulation: {
      times: choice('--time-model', TIME_MODELS, options.timeModel),
      ...(sigma === undefined ? {} : { sigma }),
      machine: {
        ...(options.cores === undefined ? {} : { cores: options.cores }),
        ...(options.machineMemory === undefined ? {} : { memoryMb: options.machineMemory }),
      },
      functions: options.timeout === undefined ? {} : { timeoutMs: options.timeout },
    },
  };
}

async function writerOf(file: string | undefined): Promise<((comparison: Comparison) => void) | null> {
  if (file === undefined) return null;
  const { toCsv, toJson, toMarkdown } = await import('../../sim/compare/table.js');
  const format = [
    ['.csv', toCsv],
    ['.json', toJson],
    ['.md', toMarkdown],
  ].find(([ending]) => file.endsWith(ending as string))?.[1] as ((comparison: Comparison) => string) | undefined;
  if (format === undefined) throw new UsageError(`--out ${file}: the name must end in .csv, .json or .md`);
  return (comparison) => save(file, format(comparison));
}

function save(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new IluvatarError('invalid', `${file} cannot be written: ${(error as Error).message}`);
  }
}

function progressLine({ json }: Context): { show: (done: number, total: number) => void; clear: () => void } {
  const { stderr } = process;
  const silent = json || stderr.isTTY !== true;
  return {
    show: (done, total) => {
      if (!silent) stderr.write(`\r\x1b[K${done} of ${total} runs`);
    },
    clear: () => {
      if (!silent) stderr.write('\r\x1b[K');
    },
  };
}
