import { writeFileSync } from 'node:fs';
import type { WorkerConfigInput } from '../../config/schema.js';
import { IluvatarError } from '../../core/errors.js';
import { action, type CommandHost } from '../command-host.js';
import { UsageError } from '../exit-codes.js';
import { table } from '../output.js';
import { parseInteger, parseMemory, parseNumber } from '../parse.js';

/** `iluvatar sim validate`: the same minute live and simulated. */

interface Options {
  seconds: number;
  functions: number;
  trace?: string;
  traceFunctions?: string;
  slots: number;
  memory: number;
  seed: number;
  work: string;
  out?: string;
}

const WORKS = ['sleep', 'spin'] as const;
/** No invocation shall end for want of time: a dropped one would change all that follow, live and simulated at different places. */
const TIMEOUT_MS = 600_000;

export function addSimValidateCommand(host: CommandHost): void {
  host
    .add('validate', 'run a workload live and simulated, with one configuration, and compare', [
      'sim validate',
      'sim validate --seconds 10 --functions 8 --set keepAlive.policy=ttl',
      'sim validate --trace trace.csv --trace-functions functions.csv --out validation.md',
    ])
    .option('--seconds <count>', 'how long', parseNumber, 60)
    .option('--functions <count>', 'how many of them, the most often called', parseInteger, 100)
    .option('--trace <file>', 'arrivals: the beginning of a CSV trace (default: the shape of a sampled Azure workload)')
    .option('--trace-functions <file>', 'the functions of that trace')
    .option('--slots <count>', 'CPU slots of the worker', parseInteger, 8)
    .option('--memory <amount>', 'memory of the worker', parseMemory, 3072)
    .option('--seed <number>', 'of arrivals and simulated times', parseInteger, 1)
    .option('--work <kind>', `what functions do: ${WORKS.join(', ')}`, 'sleep')
    .option('--out <file>', 'the table as Markdown')
    .action(
      action(async (context, options: Options) => {
        const { seconds, functions, slots, memory, seed, out } = options;
        const work = WORKS.find((name) => name === options.work);
        if (work === undefined) throw new UsageError(`--work must be one of ${WORKS.join(', ')}`);
        if (!(seconds > 0) || functions < 1 || slots < 1) throw new UsageError('there must be something to run');
        if ((options.trace === undefined) !== (options.traceFunctions === undefined)) {
          throw new UsageError('--trace and --trace-functions belong together');
        }
        const { config: loaded } = await context.load();
        const config: WorkerConfigInput = {
          ...loaded,
          cpu: { ...loaded.cpu, slots },
          memory: { ...loaded.memory, budgetMb: memory },
        };
        const [{ paperWorkload, traceWorkload }, { openTrace }, { runLive }, validation] = await Promise.all([
          import('../../sim/validate/workload.js'),
          import('../../traces/open-trace.js'),
          import('./live-run.js'),
          import('../../sim/validate/validation.js'),
        ]);
        const wanted = { seconds, functions, seed, slots };
        const workload =
          options.trace === undefined
            ? paperWorkload(wanted)
            : await traceWorkload(await openTrace({ trace: options.trace, functions: options.traceFunctions }), wanted);
        const progress = (line: string): void => (context.json ? undefined : context.note(line));
        const live = await runLive(workload, { config, work, timeoutMs: TIMEOUT_MS, progress });
        const simulated = await validation.simulateRun(live, config, { seed, functions: { timeoutMs: TIMEOUT_MS } });
        const figures = validation.figuresOf(live.observed, simulated);
        if (out !== undefined) save(out, validation.figuresMarkdown(figures));
        const { calibration } = live;
        context.print({ figures, calibration }, () =>
          table(
            figures.map(validation.figureCells),
            validation.FIGURE_TITLES.map((title, i) => ({
              title: title.toUpperCase(),
              right: i > 0,
              text: (cells: readonly string[]) => cells[i] as string,
            })),
            '',
          ),
        );
        const { meanOf } = validation;
        progress(
          `calibrated, µs: creation ${meanOf(calibration.creationUs).toFixed(0)}, run beyond its time ${meanOf(calibration.warmExtraUs).toFixed(0)} warm and ${meanOf(calibration.coldExtraUs).toFixed(0)} cold, removal ${meanOf(calibration.destructionUs).toFixed(0)}`,
        );
      }),
    );
}

function save(file: string, text: string): void {
  try {
    writeFileSync(file, text);
  } catch (error) {
    throw new IluvatarError('invalid', `${file} cannot be written: ${(error as Error).message}`);
  }
}
